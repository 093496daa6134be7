# SPDX-License-Identifier: GPL-3.0-or-later
"""A small software renderer: orthographic, z-buffered by sampling triangles, skin blended over opaque bones."""
from __future__ import annotations

import numpy as np


def _samples(tri: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (S,3) that cover triangles (T,3,3) in pixel units at least once a pixel, and their triangle index (S,)."""
    edge = np.abs(tri[:, :, :2] - np.roll(tri, 1, 1)[:, :, :2]).max((1, 2))
    steps = np.clip(np.ceil(edge * 1.2), 1, 400).astype(int)
    points, owner = [], []
    for n in np.unique(steps):
        ids = np.where(steps == n)[0]
        a, b = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
        inside = a + b <= n
        s, t = a[inside] / n, b[inside] / n
        grid = tri[ids, None, 0] * (1 - s - t)[:, None] + tri[ids, None, 1] * s[:, None] + tri[ids, None, 2] * t[:, None]
        points.append(grid.reshape(-1, 3))
        owner.append(np.repeat(ids, len(s)))
    return np.concatenate(points), np.concatenate(owner)


def layer(v: np.ndarray, f: np.ndarray, colour: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """One opaque layer: image (h,w,3) 0..1 and depth (h,w), larger is nearer, -inf where empty.

    v (n,3): x right and y down in pixels, z towards the viewer; f (m,3); colour (m,3) per face.
    """
    width, height = size
    seen = ((v[f, :2].max(1) >= 0) & (v[f, :2].min(1) < (width, height))).all(1)
    f, colour = f[seen], colour[seen]
    tri = v[f]
    normal = np.cross(tri[:, 1] - tri[:, 0], tri[:, 2] - tri[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    light = np.abs(normal @ np.array([0.3, -0.5, 0.81]))
    shade = colour * (0.35 + 0.65 * light[:, None])
    points, owner = _samples(tri)
    x, y = np.round(points[:, 0]).astype(int), np.round(points[:, 1]).astype(int)
    ok = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    cell, z, owner = (y * width + x)[ok], points[ok, 2], owner[ok]
    order = np.lexsort((z, cell))
    last = np.append(np.diff(cell[order]) != 0, True)
    top = order[last]
    image, depth = np.ones((height * width, 3)), np.full(height * width, -np.inf)
    image[cell[top]], depth[cell[top]] = shade[owner[top]], z[top]
    return image.reshape(height, width, 3), depth.reshape(height, width)


def over(bones: tuple[np.ndarray, np.ndarray], skin: tuple[np.ndarray, np.ndarray], opacity: float) -> np.ndarray:
    """Skin blended over bones where it is in front; a bone that pokes out stays unblended. (h,w,3)."""
    image, depth = bones
    front = np.isfinite(skin[1]) & (skin[1] >= depth)
    return np.where(front[..., None], (1 - opacity) * image + opacity * skin[0], image)
