"""English words for the things of the game; monsters by Freedoom's own names."""

import re

# Each weapon, and the number of its place in the player's hands.
WEAPONS = {
    "Chainsaw": ("chainsaw", 1),
    "Pistol": ("pistol", 2),
    "Shotgun": ("shotgun", 3),
    "SuperShotgun": ("double-barrelled shotgun", 3),
    "Chaingun": ("minigun", 4),
    "RocketLauncher": ("missile launcher", 5),
    "PlasmaRifle": ("polaric energy cannon", 6),
    "BFG9000": ("big energy weapon", 7),
}

# Names that the engine keeps from the game it was written for, or that no reader would understand.
_NAMES = {
    "Arachnotron": "technospider",
    "Archvile": "flame bringer",
    "ArmorBonus": "armour shard",
    "BaronOfHell": "pain lord",
    "Backpack": "backpack",
    "Berserk": "strength power-up",
    "BlurSphere": "stealth sphere",
    "BrainStem": "gory remains",
    "Cacodemon": "trilobite",
    "Cell": "energy cell",
    "CellPack": "box of energy cells",
    "Clip": "ammunition clip",
    "ClipBox": "box of bullets",
    "ChaingunGuy": "minigun zombie",
    "ColonGibs": "gory remains",
    "Cyberdemon": "assault tripod",
    "DeadMarine": "dead marine",
    "Demon": "flesh worm",
    "DoomImp": "serpentipede",
    "ExplosiveBarrel": "explosive barrel",
    "Fatso": "combat slug",
    "GibbedMarine": "gory remains",
    "GibbedMarineExtra": "gory remains",
    "Gibs": "gory remains",
    "GreenArmor": "green armour vest",
    "BlueArmor": "blue armour vest",
    "HealthBonus": "health vial",
    "HellKnight": "pain bringer",
    "LostSoul": "deadflare",
    "Medikit": "medikit",
    "PainElemental": "matribite",
    "RadSuit": "protective suit",
    "Revenant": "dark soldier",
    "RocketAmmo": "missile",
    "RocketBox": "box of missiles",
    "Shell": "shotgun shells",
    "ShellBox": "box of shells",
    "ShotgunGuy": "shotgun zombie",
    "SmallBloodPool": "pool of blood",
    "Soulsphere": "health sphere",
    "Spectre": "stealth worm",
    "SpiderMastermind": "large technospider",
    "Stalagtite": "stalactite",
    "Stimpack": "health pack",
    "Zombieman": "zombie",
    **{name: words for name, (words, _) in WEAPONS.items()},
}
# The engine's categories of things in four kinds.
KINDS = {
    "Monster": "monster",
    **dict.fromkeys(("Ammo", "Armor", "Health", "Key", "Powerup", "Weapon"), "item"),
    **dict.fromkeys(("Gibs", "Gore"), "remains"),
}
SCENERY = "scenery"  # the kind of everything else
_HANGING = re.compile(r"^(Hang|Meat|NonsolidMeat|NonsolidTwitch|BloodyTwitch)")
_ON_STICK = re.compile(r"Stick")
# What lasts a moment and is never a subject of its own.
TRANSIENT = frozenset(
    (
        "BulletPuff",
        "Blood",
        "BloodSplatter",
        "TeleportFog",
        "ItemFog",
        "Rocket",
        "PlasmaBall",
        "BFGBall",
        "BFGExtra",
        "RocketSmokeTrail",
        "DoomImpBall",
        "CacodemonBall",
        "BaronBall",
        "FatShot",
        "ArachnotronPlasma",
        "RevenantTracer",
        "RevenantTracerSmoke",
        "ArchvileFire",
        "SpawnFire",
        "SpawnShot",
        "BossCube",
        "GrenadeSmokeTrail",
        "MapSpot",
        "TeleportDest",
    )
)


def thing(name: str) -> str:
    """What a thing is called, one of it: ``DoomImp`` is a serpentipede, ``TechLamp2`` a tech lamp."""
    if name in _NAMES:
        return _NAMES[name]
    if name.startswith("Dead"):
        return f"dead {thing(name.removeprefix('Dead'))}"
    if _HANGING.match(name):
        return "hanging body"
    if _ON_STICK.search(name):
        return "impaled remains"
    return " ".join(re.findall(r"[A-Z][a-z]*|[a-z]+", name)).lower()


_UNCOUNTED = ("remains", "shells")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def counted(name: str, count: int) -> str:
    """``a zombie``, ``two zombies``, ``several zombies``; ``gory remains`` have no number."""
    head, of, rest = name.partition(" of ")
    if head.endswith(_UNCOUNTED):
        return name
    if count == 1:
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    plural = f"{head[:-1]}ies" if head.endswith("y") else f"{head}es" if head.endswith(("s", "x", "ch")) else f"{head}s"
    return f"{NUMBERS[count] if count < len(NUMBERS) else 'several'} {plural}{of}{rest}"
