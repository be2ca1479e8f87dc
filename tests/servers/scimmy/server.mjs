// A SCIM 2.0 service of SCIMMY's routers over a store in memory: `PORT=8000 TOKEN=secret node server.mjs`.
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages are in the folder that the program is started in, the program is where its source is.
const installed = createRequire(pathToFileURL(`${process.cwd()}/`));
const [express, SCIMMY, SCIMMYRouters] = ["express", "scimmy", "scimmy-routers"]
    .map((name) => installed(name))
    .map((module) => module.default ?? module);

/** Keeps resources of one type by id; no two may have the same value, letter case aside, of the unique attribute. */
class Store {
    resources = new Map();
    taken = new Map();

    constructor(unique) {
        this.unique = unique;
    }

    name(resource) {
        return this.unique && String(resource[this.unique] ?? "").toLowerCase();
    }

    write({ id = randomUUID() }, instance) {
        const before = this.resources.get(id);
        const holder = this.unique && this.taken.get(this.name(instance));
        if (holder && holder !== id) {
            throw new SCIMMY.Types.Error(409, "uniqueness", `${this.unique} is taken`);
        }
        const now = new Date().toISOString();
        const resource = { ...JSON.parse(JSON.stringify(instance)), id };
        resource.meta = { created: before?.meta.created ?? now, lastModified: now };
        if (before) this.taken.delete(this.name(before));
        this.taken.set(this.name(resource), id);
        this.resources.set(id, resource);
        return resource;
    }

    read({ id, filter, constraints }) {
        if (!id) {
            const all = [...this.resources.values()];
            return page(filter ? filter.match(all) : all, constraints);
        }
        if (!this.resources.has(id)) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
        return this.resources.get(id);
    }

    remove({ id }) {
        this.taken.delete(this.name(this.read({ id })));
        this.resources.delete(id);
    }
}

/** Only the page that was asked for: SCIMMY would render all before it takes one. Where it may cut again, it gets all. */
function page(all, constraints) {
    const { startIndex = 1, count = 20, sortBy } = constraints ?? {};
    if (!constraints || sortBy || (startIndex > 1 && startIndex <= count)) return all;
    constraints.totalResults = all.length;
    return all.slice(startIndex - 1, startIndex - 1 + count);
}

SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false);
for (const [type, unique] of [[SCIMMY.Resources.User, "userName"], [SCIMMY.Resources.Group, undefined]]) {
    const store = new Store(unique);
    SCIMMY.Resources.declare(type)
        .ingress((resource, instance) => store.write(resource, instance))
        .egress((resource) => store.read(resource))
        .degress((resource) => store.remove(resource));
}
const handler = (request) => {
    if (request.header("Authorization") !== `Bearer ${process.env.TOKEN}`) throw new Error("The token is not known");
    return "agent";
};
express()
    .use("/scim", new SCIMMYRouters({ type: "bearer", handler }))
    .listen(Number(process.env.PORT), "127.0.0.1");
