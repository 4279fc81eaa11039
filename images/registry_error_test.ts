import { assertEquals } from "@std/assert";
import { describeNetworkError, parseErrorBody, tame } from "./registry_error.ts";

Deno.test("a registry's explanation is read, whoever wrote it", () => {
  const table: [body: string, codes: string[], message: string][] = [
    ['{"errors":[{"code":"DENIED","message":"no"},{"code":"X","message":"really"}]}', ["DENIED", "X"], "no; really"],
    ['{"details":"who are you?"}', [], "who are you?"],
    ['{"message":"rate limited."}', [], "rate limited"],
    ["<html>", [], ""],
    ["null", [], ""],
    ['{"errors":{"code":1}}', [], ""],
    ['{"errors":[null,5,{"code":7,"message":{}}]}', [], ""],
  ];
  for (const [body, codes, message] of table) assertEquals(parseErrorBody(body), { codes, message }, body);
});

Deno.test("foreign text is one short line that cannot steer a terminal", () => {
  assertEquals(tame("a\x1b[31m\r\nb\u202e c."), "a [31m b c");
  assertEquals(tame("x".repeat(500)).length, 201);
});

Deno.test("what fetch throws is said in words", () => {
  const failure = (cause: string) =>
    new TypeError("fetch failed", { cause: new Error(`error sending request for url (https://h/): ${cause}`) });
  const table: [cause: string, kind: string, words: string][] = [
    ["client error (Connect): tcp connect error: Connection refused (os error 111)", "refused", "connection refused"],
    [
      "client error (Connect): dns error: failed to lookup address information",
      "dns",
      "the host name cannot be resolved",
    ],
    [
      "client error (Connect): invalid peer certificate: UnknownIssuer",
      "tls",
      "its certificate is signed by an unknown authority",
    ],
    [
      "client error (Connect): invalid peer certificate: certificate not valid for name; NotValidForName",
      "tls",
      "its certificate is for another host name",
    ],
    [
      "client error (Connect): received corrupt message of type InvalidContentType",
      "tls",
      "the TLS handshake failed (received corrupt message of type InvalidContentType)",
    ],
    ["client error (SendRequest): connection closed before message completed", "other", "the connection broke off"],
    [
      "client error (Connect): tcp connect error: Network is unreachable (os error 101)",
      "other",
      "tcp connect error: Network is unreachable (os error 101)",
    ],
  ];
  for (const [cause, kind, words] of table) {
    const { kind: actualKind, words: actualWords } = describeNetworkError(failure(cause))!;
    assertEquals([actualKind, actualWords], [kind, words]);
  }
  assertEquals(describeNetworkError(new RangeError("a defect")), undefined);
  assertEquals(describeNetworkError("text"), undefined);
});
