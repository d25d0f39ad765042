// Server-sent events read from a text stream. Pure but for the stream. EventSource cannot send the caller's token.

/** Yields { name, data } for every event, and null for comments that only say that the stream is alive. */
export async function* events(stream) {
  let rest = "";
  let name = "message";
  let data = [];
  for await (const chunk of chunks(stream.pipeThrough(new TextDecoderStream()))) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        if (data.length > 0) yield { name, data: data.join("\n") };
        name = "message";
        data = [];
      } else if (line.startsWith(":")) {
        yield null;
      } else {
        const [field, value] = split(line);
        if (field === "data") data.push(value);
        else if (field === "event") name = value;
      }
    }
  }
}

function split(line) {
  const colon = line.indexOf(":");
  if (colon < 0) return [line, ""];
  const value = line.slice(colon + 1);
  return [line.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value];
}

async function* chunks(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
