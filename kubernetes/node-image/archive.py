#!/usr/bin/env python3
"""Makes an image of a folder, without an engine: an archive that `docker load`
and `ctr images import` read (docker-image-spec v1.2).

    archive.py FOLDER NAME:TAG CONFIG > image.tar

CONFIG is JSON: Entrypoint, Cmd, Env. The same folder gives the same archive.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile

EPOCH = "1970-01-01T00:00:00Z"


def member(out, name, data=None, file=None, size=0):
    import tarfile

    info = tarfile.TarInfo(name)
    info.mode = 0o644
    info.size = size if file else len(data)
    out.addfile(info, file or io.BytesIO(data))


def main():
    import tarfile

    folder, name, config = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(os.path.abspath(folder))) as layer:
        # GNU tar keeps devices, owners, links and capabilities of files.
        subprocess.run(
            ["tar", "-C", folder, "--sort=name", "--mtime=@0", "--numeric-owner", "--xattrs", "-cf", "-", "."],
            stdout=layer, check=True,
        )
        layer.flush()
        digest = hashlib.sha256()
        layer.seek(0)
        while block := layer.read(1 << 20):
            digest.update(block)
        diff = digest.hexdigest()
        image = json.dumps({
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine], "os": "linux", "created": EPOCH, "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
            "history": [{"created": EPOCH, "created_by": "rolecall kubernetes/node-image"}],
        }, sort_keys=True).encode()
        image_name = hashlib.sha256(image).hexdigest() + ".json"
        manifest = json.dumps([{"Config": image_name, "RepoTags": [name], "Layers": [f"{diff}/layer.tar"]}]).encode()
        layer.seek(0)
        with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as out:
            member(out, image_name, image)
            member(out, f"{diff}/layer.tar", file=layer, size=os.fstat(layer.fileno()).st_size)
            member(out, "manifest.json", manifest)


main()
