/** In: nothing. Out: everything that a page may use of `emdr-stream-client`. */

export { connect, Session } from "./session.js";
export { watch, Watch } from "./watch.js";
export { Emitter } from "./emitter.js";
export { decode, encode, MsgpackError } from "./msgpack.js";
export { Camera, camera } from "./sources/camera.js";
export { landmarks } from "./sources/landmarks.js";
export { morphcast } from "./sources/morphcast.js";
export { samples } from "./sources/samples.js";
