# SPDX-License-Identifier: GPL-3.0-or-later
"""What Pixar's own library makes of a USD file: read_usd.py FILE TIMES MESH_TIMES; answers as read_three.mjs does, a skeleton a person."""

import json
import sys

import numpy as np
from pxr import Gf, Usd, UsdGeom, UsdSkel, Vt


def main(file: str, times: list[float], mesh_times: list[float]) -> dict:
    stage = Usd.Stage.Open(file)
    rate = stage.GetTimeCodesPerSecond()
    cache, people = UsdSkel.Cache(), {}
    places = UsdGeom.XformCache()
    for prim in stage.Traverse():
        if prim.IsA(UsdSkel.Root):
            cache.Populate(UsdSkel.Root(prim), Usd.PrimDefaultPredicate)
    for prim in stage.Traverse():
        if not prim.IsA(UsdSkel.Skeleton):
            continue
        query = cache.GetSkelQuery(UsdSkel.Skeleton(prim))
        joints = [str(path) for path in query.GetJointOrder()]
        short = [path.rpartition("/")[2] for path in joints]
        answer = {"joints": [], "skins": [], "scale": 0.0,
                  "bones": {path.rpartition("/")[2]: path.rpartition("/")[0].rpartition("/")[2] or None for path in joints}}  # fmt: skip
        for time in times:
            places.SetTime(time * rate)
            world = query.ComputeJointWorldTransforms(places)
            matrices = np.array([np.array(matrix) for matrix in world])  # rows: USD multiplies from the left
            answer["joints"].append({name: row[3, :3].tolist() for name, row in zip(short, matrices)})
            off = np.abs(np.linalg.norm(matrices[:, :3, :3], axis=2) - 1.0).max()
            answer["scale"] = max(answer["scale"], float(off))
            if time in mesh_times:
                answer["skins"].append(skins(stage, cache, query, prim, time * rate, places))
        samples = query.GetAnimQuery().GetJointTransformTimeSamples()
        answer["clips"] = [{"name": "", "first": samples[0] / rate, "last": samples[-1] / rate, "keys": len(samples)}]
        people[prim.GetPath().pathString] = answer
    cameras = [seen_by_cameras(stage, time * rate) for time in times]
    return {"cameras": cameras, "unit": UsdGeom.GetStageMetersPerUnit(stage), "up": str(UsdGeom.GetStageUpAxis(stage)), "people": people}


def seen_by_cameras(stage, code: float) -> dict:
    """Name -> place of a camera and its projection, as read_three.mjs gives them."""
    result = {}
    for prim in stage.Traverse():
        if prim.IsA(UsdGeom.Camera):
            seen = UsdGeom.Camera(prim).GetCamera(code)
            matrices = {"place": seen.transform, "projection": seen.frustum.ComputeProjectionMatrix()}
            result[prim.GetName()] = {name: np.array(matrix).T.ravel().tolist() for name, matrix in matrices.items()}
    return result


def skins(stage, cache, query, skeleton, code: float, places) -> dict:
    """Points of the meshes that this skeleton deforms."""
    result = {}
    root = skeleton
    while root and not root.IsA(UsdSkel.Root):
        root = root.GetParent()
    for binding in cache.ComputeSkelBindings(UsdSkel.Root(root), Usd.PrimDefaultPredicate):
        if binding.GetSkeleton().GetPrim() != skeleton:
            continue
        for skinning in binding.GetSkinningTargets():
            mesh = UsdGeom.Mesh(skinning.GetPrim())
            points = mesh.GetPointsAttr().Get()
            points = Vt.Vec3fArray([Gf.Vec3f(p) for p in points])
            transforms = query.ComputeSkinningTransforms(code)
            assert skinning.ComputeSkinnedPoints(transforms, points, code)
            place = np.array(places.GetLocalToWorldTransform(skeleton))
            result[skinning.GetPrim().GetName()] = (np.array(points) @ place[:3, :3] + place[3, :3]).tolist()
    return result


if __name__ == "__main__":
    json.dump(main(sys.argv[1], *map(json.loads, sys.argv[2:4])), sys.stdout)
