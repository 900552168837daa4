"""Where three.js has the joints of a GLB, in headless Chromium; and a picture of it."""

import base64
import json
import subprocess
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE = """<!doctype html><meta charset="utf-8"><body style="margin:0"><script type="importmap">
{"imports": {"three": "/three/build/three.module.js"}}</script><script type="module">
import * as THREE from "three";
import { GLTFLoader } from "/three/examples/jsm/loaders/GLTFLoader.js";
const order = ORDER;
const send = (what) => fetch("/answer", {method: "POST", body: JSON.stringify(what)});
window.onerror = (message) => send({error: String(message)});
try {
  const gltf = await new GLTFLoader().loadAsync("/file/" + order.name);
  const scene = new THREE.Scene();
  scene.background = new THREE.Color(0x8899aa);
  scene.add(gltf.scene, new THREE.HemisphereLight(0xffffff, 0x666666, 2.5));
  const mixer = new THREE.AnimationMixer(gltf.scene);
  const action = mixer.clipAction(gltf.animations[0]);
  action.setLoop(THREE.LoopOnce);
  action.clampWhenFinished = true;
  action.play();
  const joints = [], place = new THREE.Vector3();
  for (const time of order.times) {
    mixer.setTime(time);
    scene.updateMatrixWorld(true);
    const row = {};
    gltf.scene.traverse((each) => { if (each.isBone) row[each.name] = each.getWorldPosition(place).toArray(); });
    joints.push(row);
  }
  let picture = null;
  if (order.picture) {
    mixer.setTime(order.picture.time);
    scene.updateMatrixWorld(true);
    const renderer = new THREE.WebGLRenderer({antialias: true, preserveDrawingBuffer: true});
    renderer.setSize(720, 405);
    const camera = new THREE.PerspectiveCamera(45, 720 / 405, 0.05, 200);
    camera.position.set(...order.picture.from);
    camera.lookAt(...order.picture.to);
    renderer.render(scene, camera);
    picture = renderer.domElement.toDataURL("image/png");
  }
  await send({version: THREE.REVISION, joints, picture, skins: skinned(gltf.scene)});
} catch (error) { await send({error: String(error)}); }
function skinned(scene) {
  let count = 0;
  scene.traverse((each) => { count += each.isSkinnedMesh ? 1 : 0; });
  return count;
}
</script>"""


class _Handler(SimpleHTTPRequestHandler):
    def __init__(
        self, *words: Any, page: str, three: Path, file: Path, answer: list[Any], done: threading.Event
    ) -> None:
        self.page, self.three, self.file, self.answer, self.done = page, three, file, answer, done
        super().__init__(*words)

    def log_message(self, *words: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/":
            content, kind = self.page.encode(), "text/html"
        elif self.path.startswith("/three/") and ".." not in self.path:
            content, kind = (self.three / self.path.removeprefix("/three/")).read_bytes(), "text/javascript"
        elif self.path.startswith("/file/"):
            content, kind = self.file.read_bytes(), "model/gltf-binary"
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.answer.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()
        self.done.set()


def read_in_browser(
    path: Path, times: list[float], three: Path, browser: str, picture: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return `version`, and per time the bones' world positions by name; a picture goes to `picture["path"]`.

    Args:
        three: the folder of the npm package `three`.
    """
    order = json.dumps({"name": path.name, "times": times, "picture": picture}, default=str)
    answer: list[Any] = []
    done = threading.Event()
    handler = partial(_Handler, page=PAGE.replace("ORDER", order), three=three, file=path, answer=answer, done=done)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as profile:
        command = [
            *(browser, "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"),
            *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
            f"http://127.0.0.1:{server.server_address[1]}/",
        ]
        program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert done.wait(300), "the browser gave no answer"
        finally:
            program.terminate()
            program.wait(30)
            server.shutdown()
            server.server_close()
    assert "error" not in answer[0], answer[0]["error"]
    if picture is not None:
        Path(picture["path"]).write_bytes(base64.b64decode(answer[0]["picture"].split(",")[1]))
    return dict(answer[0])
