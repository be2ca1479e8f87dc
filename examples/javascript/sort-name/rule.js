// A mapping in JavaScript: the display name as "Lovelace, Ada", so that lists of people sort by family name.

const READS = ["sn", "givenName"];
const WRITES = ["displayName"];

// What stands between the names; the configuration may say otherwise.
let separator = ", ";

const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    separator: {
      type: "string",
      minLength: 1,
      maxLength: 8,
      default: ", ",
      description: "What stands between family name and given name.",
    },
  },
};

export const lifecycle = {
  describe() {
    return {
      name: "sort-name",
      version: "0.1.0",
      configurationSchema: JSON.stringify(SCHEMA),
      annotations: [["description", "The display name with the family name first."]],
    };
  },

  // The host has checked the document against the schema. What is thrown here, an operator reads.
  configure(document) {
    separator = JSON.parse(document).separator ?? separator;
  },

  summary() {
    return undefined;
  },
};

export const mapping = {
  describeContract() {
    return {
      objectClasses: ["user"],
      reads: READS.map((name) => ({ name, shape: "text" })),
      resourceReads: [],
      resourceKind: undefined,
      writes: WRITES.map((name) => ({ name, apply: "always" })),
      cycleTime: false,
    };
  },

  transform(cycleTime, { entries }) {
    return texts(entries).map((entry) => ({ outcome: { tag: "edits", val: edits(entry) }, validUntil: undefined }));
  },
};

// Nothing is set where a name is missing, so the display name stays as the rules before made it.
function edits([familyName, givenName]) {
  if (!familyName || !givenName) return [];
  const text = familyName + separator + givenName;
  return [{ attribute: 0, value: { tag: "plain", val: { tag: "text", val: text } } }];
}

// The texts of each entry, in the places of the contract's reads.
function texts({ count, spans, octets }) {
  const entries = Array.from({ length: count }, () => []);
  for (let at = 0; at < spans.length; at += 4) {
    const [entry, place, start, length] = spans.slice(at, at + 4);
    entries[entry][place] = decode(octets.slice(start, start + length));
  }
  return entries;
}

// UTF-8, which the host has checked; there is no TextDecoder here.
function decode(octets) {
  let escaped = "";
  for (const octet of octets) escaped += "%" + octet.toString(16).padStart(2, "0");
  return decodeURIComponent(escaped);
}
