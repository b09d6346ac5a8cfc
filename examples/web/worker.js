// Runs the model beside the page, so that the page stays alive while it speaks.
importScripts("page.js");  // the program, as a function that makes a module

const ready = (async () => {
  const module = await nibble();
  const text = (name, types, values) => module.ccall(name, "string", types, values);
  module.given = new Uint8Array(await (await fetch("model.gguf")).arrayBuffer());
  const failure = text("load", ["number"], [module.given.length]);
  if (failure) throw new Error(failure);
  postMessage({target: text("target", [], [])});
  return {module, text};
})().catch(error => postMessage({failure: String(error)}));

onmessage = async ({data: {prompt, tokens}}) => {
  const {module, text} = await ready;
  const began = performance.now();
  module.ccall("begin", null, ["string", "number"], [prompt, tokens]);
  let made = 0;
  for (let piece; (piece = nextPiece(module)) !== null; ++made) postMessage({piece});
  postMessage({tokens: made, seconds: (performance.now() - began) / 1000});
};

// A null pointer is the end, and an empty text is not.
function nextPiece(module) {
  const at = module.ccall("next", "number", [], []);
  return at === 0 ? null : module.UTF8ToString(at);
}
