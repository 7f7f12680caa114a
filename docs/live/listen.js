// The part of audio.js that runs in the browser's audio thread: sends samples on in portions of a twentieth of a second or more.

class Ear extends AudioWorkletProcessor {
  constructor() {
    super();
    this.kept = new Float32Array(Math.ceil(sampleRate / 20 / 128) * 128);
    this.filled = 0;
  }

  process([[channel]]) {
    if (channel) {
      this.kept.set(channel, this.filled);
      this.filled += channel.length;
      if (this.filled === this.kept.length) {
        this.port.postMessage(this.kept.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("ear", Ear);
