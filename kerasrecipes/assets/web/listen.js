// The part of audio.js that runs in the browser's audio thread. It posts samples in chunks of at least 50 ms.

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.buffer = new Float32Array(Math.ceil(sampleRate / 20 / 128) * 128);
    this.length = 0;
  }

  process([[channel]]) {
    if (channel) {
      this.buffer.set(channel, this.length);
      this.length += channel.length;
      if (this.length === this.buffer.length) {
        this.port.postMessage(this.buffer.slice());
        this.length = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
