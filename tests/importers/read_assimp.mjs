// SPDX-License-Identifier: GPL-3.0-or-later
// What assimp makes of an FBX or GLB file: node read_assimp.mjs FILE TIMES MESH_TIMES; answers as read_three.mjs does.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

const modules = process.env.SKEL_IMPORTERS_JS;
const ajs = await createRequire(import.meta.url)(join(modules, "assimpjs", "dist", "assimpjs.js"))({
    locateFile: (name) => join(modules, "assimpjs", "dist", name),
});
const [file, times, meshTimes] = [process.argv[2], JSON.parse(process.argv[3]), JSON.parse(process.argv[4])];
const list = new ajs.FileList();
list.AddFile(basename(file), new Uint8Array(readFileSync(file)));
const converted = ajs.ConvertFileList(list, "assjson");
if (!converted.IsSuccess()) throw new Error(converted.GetErrorCode());
const scene = JSON.parse(new TextDecoder().decode(converted.GetFile(0).GetContent()));

const multiply = (a, b) => a.map((_, k) => [0, 1, 2, 3].reduce((sum, j) => sum + a[(k >> 2) * 4 + j] * b[j * 4 + (k & 3)], 0));
const apply = (m, [x, y, z]) => [0, 4, 8].map((row) => m[row] * x + m[row + 1] * y + m[row + 2] * z + m[row + 3]);
const lengths = (m) => [0, 1, 2].map((k) => Math.hypot(m[k], m[k + 4], m[k + 8]));

function matrix([x, y, z], [w, i, j, k], [a, b, c]) {
    return [
        (1 - 2 * (j * j + k * k)) * a, 2 * (i * j - k * w) * b, 2 * (i * k + j * w) * c, x,
        2 * (i * j + k * w) * a, (1 - 2 * (i * i + k * k)) * b, 2 * (j * k - i * w) * c, y,
        2 * (i * k - j * w) * a, 2 * (j * k + i * w) * b, (1 - 2 * (i * i + j * j)) * c, z,
        0, 0, 0, 1,
    ];
}

// The key at a time, which is that of a key: half a tick beside it is another one.
const key = (keys, time) => keys.reduce((best, each) => (Math.abs(each[0] - time) < Math.abs(best[0] - time) ? each : best))[1];

const animation = scene.animations[0];
const rate = animation.tickspersecond || 1000;
const channels = Object.fromEntries(animation.channels.map((each) => [each.name, each]));
const parents = {};
const world = (seconds) => {
    const result = {};
    const visit = (node, above, parent) => {
        const channel = seconds === null ? null : channels[node.name];
        const at = (keys) => key(keys, seconds * rate);
        const own = channel ? matrix(at(channel.positionkeys), at(channel.rotationkeys), at(channel.scalingkeys)) : node.transformation;
        result[node.name] = multiply(above, own);
        parents[node.name] = parent;
        for (const child of node.children ?? []) visit(child, result[node.name], node.name);
    };
    visit(scene.rootnode, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], null);
    return result;
};

function skin(mesh, nodes) {
    const points = Array.from({ length: mesh.vertices.length / 3 }, () => [0, 0, 0]);
    for (const bone of mesh.bones ?? []) {
        const moved = multiply(nodes[bone.name], bone.offsetmatrix);
        for (const [index, weight] of bone.weights) {
            const place = apply(moved, mesh.vertices.slice(3 * index, 3 * index + 3));
            points[index] = points[index].map((value, k) => value + weight * place[k]);
        }
    }
    return points;
}

// As read_three.mjs gives them; of FBX, the camera of a node has axes of its own there.
function cameras(nodes) {
    const found = (scene.cameras ?? []).map((each) => {
        const back = each.lookat.map((value) => -value / Math.hypot(...each.lookat));
        const [up, [x, y, z]] = [each.up, back];
        const right = [up[1] * z - up[2] * y, up[2] * x - up[0] * z, up[0] * y - up[1] * x];
        const own = [0, 1, 2].flatMap((k) => [right[k], up[k], back[k], 0]);
        const wide = 1 / Math.tan(each.horizontalfov / 2);
        const projection = [wide, 0, 0, 0, 0, wide * each.aspect, 0, 0, 0, 0, -1, -0.1, 0, 0, -1, 0];
        return [each.name, { place: multiply(nodes[each.name], [...own, 0, 0, 0, 1]), projection }];
    });
    return Object.fromEntries(found);
}

world(null);
const bones = Object.keys(channels).filter((name) => parents[name] !== undefined);
const answer = { joints: [], skins: [], cameras: [], scale: 0 };
for (const time of times) {
    const nodes = world(time);
    answer.joints.push(Object.fromEntries(bones.map((name) => [name, [3, 7, 11].map((k) => nodes[name][k])])));
    for (const node of Object.values(nodes)) for (const size of lengths(node)) answer.scale = Math.max(answer.scale, Math.abs(size - 1));
    answer.cameras.push(cameras(nodes));
    if (meshTimes.includes(time)) answer.skins.push(Object.fromEntries(scene.meshes.map((mesh) => [mesh.name, skin(mesh, nodes)])));
}
answer.bones = Object.fromEntries(bones.map((name) => [name, bones.includes(parents[name]) ? parents[name] : null]));
answer.clips = scene.animations.map((each) => {
    const keys = each.channels.flatMap((channel) => channel.rotationkeys.map((row) => row[0]));
    const most = Math.max(...each.channels.map((channel) => channel.rotationkeys.length));
    return { name: each.name, first: Math.min(...keys) / rate, last: Math.max(...keys) / rate, keys: most };
});
process.stdout.write(JSON.stringify(answer));
