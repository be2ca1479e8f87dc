// A rule that asks its system for what rules do not have, for the tests of the plugin host: the uid says for what.

import { emit } from "provisor:rules/log@0.1.0-draft.2";

export const lifecycle = {
  describe() {
    const configurationSchema = '{"type":"object","additionalProperties":false}';
    return { name: "asking-in-javascript", version: "0.1.0", configurationSchema, annotations: [] };
  },
  configure() {},
  summary() {
    return undefined;
  },
};

export const mapping = {
  describeContract() {
    return {
      objectClasses: ["user"],
      reads: [{ name: "uid", shape: "text" }],
      resourceReads: [],
      resourceKind: "User",
      writes: ["userName", "title"].map((name) => ({ name, apply: "always" })),
      cycleTime: false,
    };
  },

  transform(cycleTime, { entries: { count, spans, octets } }) {
    const asked = Array.from({ length: count }, () => "");
    for (let at = 0; at < spans.length; at += 4) {
      const [entry, , start, length] = spans.slice(at, at + 4);
      asked[entry] = String.fromCharCode(...octets.slice(start, start + length));
    }
    const set = (attribute, val) => ({ attribute, value: { tag: "plain", val: { tag: "text", val } } });
    const edits = (uid) => [set(0, uid), set(1, ask(uid))];
    return asked.map((uid) => ({ outcome: { tag: "edits", val: edits(uid) }, validUntil: undefined }));
  },
};

function ask(what) {
  switch (what) {
    case "random":
      return Array.from({ length: 3 }, () => Math.random()).join(" ");
    case "clock":
      return `${Date.now()} ${new Date().getTimezoneOffset()}`;
    case "flood":
      for (let number = 0; number < 10000; number++) emit("info", undefined, `line ${number}`);
      return "flooded";
    case "panic":
      throw new Error("the guest panics");
    default:
      return what;
  }
}
