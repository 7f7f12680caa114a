// A camera as one frame after the other, for demos of pictures; its light never stays on behind a demo that has left it.

import { make, need } from "./common.js";

/** {start(), stop(), on}: while it is on, `frame(video)` is awaited for one frame after the other; `changed(on)` is called when it is
 * switched. wanted: width and height, in pixels. `start` ends when the camera does, and throws what went wrong. */
export function camera(element, wanted, frame, changed) {
  let now = null; // the newest wish, with its stream as soon as there is one

  async function start() {
    stop();
    need("media");
    const mine = (now = { stream: null }), on = () => now === mine && element.isConnected;
    changed(true);
    try {
      mine.stream = await navigator.mediaDevices.getUserMedia({ video: { ...wanted, facingMode: "environment" } });
      const video = Object.assign(make("video", { playsinline: true }), { srcObject: mine.stream, muted: true });
      if (on()) await video.play();
      while (on()) {
        if (video.videoWidth) await frame(video);
        await new Promise((next) => setTimeout(next, 15));
      }
    } catch (error) {
      if (now === mine) throw error; // who has switched it off wants to hear nothing of it
    } finally {
      end(mine);
      if (now === mine) stop();
    }
  }

  function stop() {
    if (!now) return;
    end(now);
    now = null;
    changed(false);
  }

  const end = ({ stream }) => stream?.getTracks().forEach((track) => track.stop());
  return { start, stop, get on() { return Boolean(now); } };
}
