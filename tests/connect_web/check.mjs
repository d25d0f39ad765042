// Calls the library service through the transcoder with @connectrpc/connect-web, by its three transports.
// node check.mjs URL DESCRIPTOR_SET
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

const [baseUrl, file] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(file)));
const library = registry.getService("library.v1.LibraryService");
const transports = {
  "Connect, JSON, reads by GET": createConnectTransport({ baseUrl, useHttpGet: true }),
  "Connect, protobuf": createConnectTransport({ baseUrl, useBinaryFormat: true }),
  "gRPC-Web": createGrpcWebTransport({ baseUrl }),
};

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return ConnectError.from(error);
  }
  assert.fail("the call should have been refused");
}

let passed = 0;
for (const [name, transport] of Object.entries(transports)) {
  const client = createClient(library, transport);

  const book = await client.createBook({ title: "Emma", sold: 7n });
  assert.deepEqual([book.title, book.sold], ["Emma", 7n]);
  assert.deepEqual((await client.listTitles({})).titles, ["Emma", "Kim"]);

  const numbers = [];
  for await (const tick of client.watch({ count: 3 })) numbers.push(tick.number);
  assert.deepEqual(numbers, [0, 1, 2]);

  const refused = await refusal(() => client.fail({ code: 6, message: "grüße %" }));
  assert.deepEqual([refused.code, refused.rawMessage], [Code.AlreadyExists, "grüße %"]);

  const seen = [];
  const ended = await refusal(async () => {
    for await (const tick of client.watch({ count: 2, code: 9 })) seen.push(tick.number);
  });
  assert.deepEqual([seen, ended.code, ended.rawMessage], [[0, 1], Code.FailedPrecondition, "no more"]);

  const late = await refusal(() => client.slow({ waitMs: 60000 }, { timeoutMs: 200 }));
  assert.equal(late.code, Code.DeadlineExceeded);
  console.log(`ok  ${name}`);
  passed += 1;
}
console.log(`${passed} passed, 0 failed`);
