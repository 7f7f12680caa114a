// Camera frames for the image demos. The camera is released when the demo stops or is closed.

import { make, requireFeatures } from "./common.js";

/** Return {start(), stop(), on}. While the camera is on, `onFrame(video)` is awaited for one frame after the other. onSwitch(on) is
 * called when the camera is switched. size: {width, height} in pixels. `start` resolves when the camera stops, and throws errors. */
export function makeCamera(element, size, onFrame, onSwitch) {
  let current = null; // the newest request, with its stream once it exists

  async function start() {
    stop();
    requireFeatures("media");
    const request = (current = { stream: null }), on = () => current === request && element.isConnected;
    onSwitch(true);
    try {
      request.stream = await navigator.mediaDevices.getUserMedia({ video: { ...size, facingMode: "environment" } });
      const video = Object.assign(make("video", { playsinline: true }), { srcObject: request.stream, muted: true });
      if (on()) await video.play();
      while (on()) {
        if (video.videoWidth) await onFrame(video);
        await new Promise((next) => setTimeout(next, 15));
      }
    } catch (error) {
      if (current === request) throw error; // no error after the camera was switched off
    } finally {
      end(request);
      if (current === request) stop();
    }
  }

  function stop() {
    if (!current) return;
    end(current);
    current = null;
    onSwitch(false);
  }

  const end = ({ stream }) => stream?.getTracks().forEach((track) => track.stop());
  return { start, stop, get on() { return Boolean(current); } };
}
