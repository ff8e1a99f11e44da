"""Small organic molecules in five modalities: name, structure, drawing, fingerprint and measured properties.

Only about half of the molecules have all four properties measured; the others lack that modality.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pmrl.data import noise
from pmrl.data.arrays import varying, varying_columns
from pmrl.data.dataset import Card, Dataset, Modality
from pmrl.data.encoders import (
    CHARACTER_ENCODER,
    PICTURE_ENCODER,
    PICTURE_PACKAGES,
    TEXT_ENCODER,
    TEXT_NOISE,
    TEXT_PACKAGES,
    encode_characters,
    encode_pictures,
    encode_texts,
)
from pmrl.data.pictures import cells, decode
from pmrl.data.splits import split_by_group
from pmrl.progress import progress
from pmrl.records import PICTURE, TEST, TEXT

if TYPE_CHECKING:
    from rdkit.Chem import Mol

PACKAGES = ("chemicals", "pillow", "rdkit", *noise.PACKAGES, *PICTURE_PACKAGES, *TEXT_PACKAGES)

# Melting and boiling point in K, density in kg/m³, refractive index.
PROPERTIES = ["Tm", "Tb", "rho", "RI"]
WORDS = {"Tm": "melts {:.0f} K", "Tb": "boils {:.0f} K", "rho": "{:.0f} kg/m³", "RI": "n {:.3f}"}
MEASURED_AT_LEAST = 3
DRAWING_SIZE, PICTURE_SIZE = 128, 96
FINGERPRINT_BITS, RADII = 1024, 3

# The first pattern that matches names the functional group.
FUNCTIONAL_GROUPS = {
    "carboxylic acid": "[CX3](=O)[OX2H1]",
    "ester": "[CX3](=O)[OX2][#6]",
    "amide": "[CX3](=O)[NX3]",
    "aldehyde": "[CX3H1](=O)",
    "ketone": "[#6][CX3](=O)[#6]",
    "nitrile": "[CX2]#N",
    "nitro": "[$([NX3](=O)=O),$([NX3+](=O)[O-])]",
    "alcohol or phenol": "[#6][OX2H]",
    "amine": "[NX3;!$(N=*)][#6]",
    "ether": "[#6][OX2][#6]",
    "halide": "[#6][F,Cl,Br,I]",
}


def build(cache: Path) -> Dataset:
    """Draw and encode every molecule with at least three of the four properties.

    Args:
        cache: not needed: all sources are installed packages.
    """
    table = read_table()
    drawings = [decode(draw(smiles, DRAWING_SIZE), DRAWING_SIZE) for smiles in progress(table["smiles"], "drawings")]
    values = table[PROPERTIES].to_numpy(dtype=np.float64)
    encoded = {
        "name": encode_texts(list(table["caption"])),
        "structure": encode_characters(list(table["smiles"])),
        "drawing": encode_pictures(drawings),
        "fingerprint": fingerprints(list(table["smiles"])),
        "properties": (values, values[:, :, None]),
    }
    everywhere = np.ones(len(table), dtype=bool)
    present = {**dict.fromkeys(encoded, everywhere), "properties": np.isfinite(values).all(axis=1)}
    return Dataset(
        card=CARD,
        items=table[["id", "group", "label", "split", "caption"]],
        pooled={name: varying(pooled, present[name]) for name, (pooled, _) in encoded.items()},
        tokens={name: tokens for name, (_, tokens) in encoded.items()},
        present=present,
        views=views(table, encoded["fingerprint"][1][:, -1]),
        noisy=noise.blurred(
            "drawing",
            [drawings[row] for row in np.flatnonzero(table["split"] == TEST)],
            encode_pictures,
            varying_columns(encoded["drawing"][0]),
        ),
        class_names=encode_texts(sorted(set(table["label"]))),
    )


def views(table: pd.DataFrame, counts: np.ndarray) -> dict[str, dict[str, bytes | str]]:
    """Views for figures; ``counts`` are the fingerprints in 256 cells, (molecules, 256)."""
    by_modality = {
        "name": table["caption"],
        "structure": table["smiles"],
        "drawing": [draw(smiles, PICTURE_SIZE) for smiles in table["smiles"]],
        "fingerprint": [cells(of_molecule, 32) for of_molecule in counts],
        "properties": [describe(row) for row in table[PROPERTIES].to_dict("records")],
    }
    return {modality: dict(zip(table["id"], of_items, strict=True)) for modality, of_items in by_modality.items()}


def describe(properties: dict[str, float]) -> str:
    """The measured properties in words, without unknown ones.

    Spaces within a property are non-breaking, so that figures keep a number and its unit on one line.
    """
    known = [WORDS[name].format(value) for name, value in properties.items() if np.isfinite(value)]
    return ", ".join(part.replace(" ", "\u00a0") for part in known)


def read_table() -> pd.DataFrame:
    """One row per distinct molecule with at least three measured properties.

    Returns:
        Columns id (CAS registry number), caption (name), smiles, the four properties (NaN where unmeasured),
        label (functional group), group (scaffold, or functional group of chains) and split.
    """
    import chemicals
    from rdkit import Chem, rdBase

    folder = Path(chemicals.__file__).parent
    table = pd.read_csv(folder / "Misc" / "Physical Constants of Organic Compounds.csv", sep="\t")
    table = table[table[PROPERTIES].notna().sum(axis=1) >= MEASURED_AT_LEAST]
    table["smiles"] = table["CAS"].map(_structures(folder / "Identifiers", set(table["CAS"])))
    with rdBase.BlockLogs():
        molecules = table["smiles"].dropna().map(Chem.MolFromSmiles).dropna()
    table = table.loc[molecules.index].assign(molecule=molecules, smiles=molecules.map(Chem.MolToSmiles))
    table = table.drop_duplicates("smiles").sort_values("CAS").reset_index(drop=True)
    table = table.rename(columns={"CAS": "id", "Name": "caption"})
    table["label"] = functional_groups(list(table["molecule"]))
    table["group"] = [
        scaffold(molecule) or f"chain, {label}"
        for molecule, label in zip(table["molecule"], table["label"], strict=True)
    ]
    table["split"] = split_by_group(list(table["group"]))
    return table.drop(columns="molecule")


def functional_groups(molecules: list["Mol"]) -> list[str]:
    """The functional group of highest rank in each molecule; ``hydrocarbon or other`` where none matches."""
    from rdkit import Chem

    patterns = {name: Chem.MolFromSmarts(pattern) for name, pattern in FUNCTIONAL_GROUPS.items()}
    return [
        next((name for name, pattern in patterns.items() if molecule.HasSubstructMatch(pattern)), OTHER)
        for molecule in molecules
    ]


OTHER = "hydrocarbon or other"


def scaffold(molecule: "Mol") -> str:
    """The Murcko scaffold (rings and what links them) as SMILES; empty for a molecule without rings."""
    from rdkit.Chem.Scaffolds import MurckoScaffold

    return MurckoScaffold.MurckoScaffoldSmiles(mol=molecule)


def draw(smiles: str, size: int) -> bytes:
    """The structural formula as a PNG file, ``size`` pixels wide and high."""
    from rdkit import Chem
    from rdkit.Chem.Draw import rdMolDraw2D

    canvas = rdMolDraw2D.MolDraw2DCairo(size, size)
    canvas.drawOptions().padding = 0.05  # type: ignore[assignment] # the stubs give it another type
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, Chem.MolFromSmiles(smiles))
    canvas.FinishDrawing()
    return canvas.GetDrawingText()


def fingerprints(structures: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Counts of circular environments (Rogers and Hahn 2010), square roots.

    Returns:
        Environments up to radius 2 in 1,024 hashed cells, (molecules, 1024); and one token for each radius
        0, 1 and 2 in 256 cells, (molecules, 3, 256), where a token counts all environments up to its radius.
    """
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator

    molecules = [Chem.MolFromSmiles(smiles) for smiles in structures]

    def counts(radius: int, cells: int) -> np.ndarray:
        generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=cells)
        return np.sqrt(np.stack([generator.GetCountFingerprintAsNumPy(molecule) for molecule in molecules]))

    tokens = np.stack([counts(radius, 256) for radius in range(RADII)], axis=1)
    return counts(RADII - 1, FINGERPRINT_BITS), tokens


def _structures(folder: Path, wanted: set[str]) -> dict[str, str]:
    """{registry number: SMILES} from the identifier tables; the small, curated table takes precedence."""
    structures = {}
    for name in ("chemical identifiers pubchem large.tsv", "chemical identifiers pubchem small.tsv"):
        with (folder / name).open(encoding="utf-8") as lines:
            for line in lines:
                _, number, _, _, smiles, _ = line.split("\t", 5)
                if number in wanted:
                    structures[number] = smiles
    return structures


CARD = Card(
    name="molecules",
    title="Organic molecules as name, structure, drawing, fingerprint and measured properties",
    anchor="name",
    modalities={
        "name": Modality("systematic or common English name", TEXT_ENCODER, kind=TEXT, noise=TEXT_NOISE),
        "structure": Modality("canonical SMILES", CHARACTER_ENCODER, kind=TEXT),
        "drawing": Modality("structural formula drawn by RDKit", PICTURE_ENCODER, kind=PICTURE),
        "fingerprint": Modality(
            "circular environments up to radius 2", "hashed counts, square roots; tokens: radius 0, 1, 2"
        ),
        "properties": Modality(
            "melting point, boiling point (K), density (kg/m³), refractive index", "measured values, unscaled"
        ),
    },
    origin="measured properties, names and structures: chemicals 1.5.2; drawings and fingerprints: RDKit",
    license="MIT (chemicals), BSD-3-Clause (RDKit)",
    citation="C. Bell and contributors, chemicals: chemical properties component of ChEDL",
    split_rule=(
        "by Murcko scaffold, molecules without rings by functional group; largest first, then by hash, about "
        "50/20/10/20 % of the items"
    ),
    flaws=[
        "properties are four numbers and are present only where all four were measured",
        "isomers look alike to the fingerprint and to the properties",
        "structures come without stereochemistry, so stereoisomers are one molecule",
        "structure and fingerprint are both computed from the same graph, as is the drawing",
    ],
)
