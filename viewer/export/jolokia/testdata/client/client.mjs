// Asks an agent with the real clients jolokia.js and @jolokia.js/simple and ends with a
// failure when one of them does not get what it should. The argument is the address.
import assert from "node:assert/strict";
import Jolokia from "jolokia.js";
import Simple from "@jolokia.js/simple";

const url = process.argv[2];
const fan = "grove:type=Fan,name=one";
const odd = 'grove:type=Fan,name="q/u!o,te\\"d"';

// Node 20 has no EventSource; this is as much of it as the client uses.
globalThis.EventSource = class {
  constructor(address) {
    this.listeners = [];
    this.abort = new AbortController();
    this.run(address).catch((e) => { if (e.name !== "AbortError") { console.error(e); process.exit(1); } });
  }
  addEventListener(type, f) { assert.equal(type, "message"); this.listeners.push(f); }
  close() { this.abort.abort(); }
  async run(address) {
    const answer = await fetch(address, { signal: this.abort.signal, headers: { Accept: "text/event-stream" } });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type"), /^text\/event-stream;/);
    let text = "";
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      for (let end; (end = text.indexOf("\r\n\r\n")) >= 0; text = text.slice(end + 4)) {
        const lines = text.slice(0, end).split("\r\n");
        if (lines[0] === ":") continue; // keeps the connection alive
        assert.match(lines[0], /^id: \d+$/);
        const data = lines.slice(1).map((l) => { assert.match(l, /^data: /); return l.slice(6); }).join("\n");
        for (const f of this.listeners) f({ data });
      }
    }
  }
};

const checks = {
  async "read by POST and by GET"() {
    const j = new Jolokia(url);
    for (const method of ["post", "get"]) {
      const answer = await j.request({ type: "read", mbean: fan, attribute: "Speed" }, { method });
      assert.deepEqual([answer.status, answer.value, answer.request.mbean, answer.request.attribute], [200, 42, fan, "Speed"]);
    }
    const answer = await j.request({ type: "read", mbean: odd, attribute: "Speed" }, { method: "get" });
    assert.deepEqual([answer.value, answer.request.mbean], [7, odd]);
  },
  async "read several, all, by pattern and by path"() {
    const j = new Jolokia(url);
    let answer = await j.request({ type: "read", mbean: fan, attribute: ["Speed", "Load"] });
    assert.deepEqual(answer.value, { Speed: 42, Load: 0.5 });
    answer = await j.request({ type: "read", mbean: fan });
    assert.equal(answer.value.Label, 'a "b" ü');
    assert.equal(Date.parse(answer.value.Since), 1795316645006);
    answer = await j.request({ type: "read", mbean: "grove:type=Fan,*", attribute: "Speed" });
    assert.deepEqual(answer.value, { [fan]: { Speed: 42 }, [odd]: { Speed: 7 } });
    answer = await j.request({ type: "read", mbean: fan, attribute: "Usage", path: "deep/er" }, { method: "get" });
    assert.equal(answer.value, "x");
  },
  async "bulk, in order, with an error between"() {
    const j = new Jolokia(url);
    const answers = await j.request([
      { type: "read", mbean: fan, attribute: "On" },
      { type: "read", mbean: "grove:type=None", attribute: "x" },
      { type: "search", mbean: "grove:type=Fan,*" },
    ]);
    assert.deepEqual(answers.map((a) => a.status), [200, 404, 200]);
    assert.ok(Jolokia.isResponseError(answers[1]) && Jolokia.isError(answers[1]));
    assert.equal(answers[1].error_type, "javax.management.InstanceNotFoundException");
    assert.deepEqual(answers[2].value.sort(), [fan, odd].sort());
  },
  async "callbacks of success and error"() {
    const j = new Jolokia(url);
    const got = [];
    await j.request([{ type: "read", mbean: fan, attribute: "On" }, { type: "read", mbean: fan, attribute: "Nope" }], {
      success: (r, i) => got.push(["success", i, r.value]),
      error: (r, i) => got.push(["error", i, r.status, r.error]),
    });
    assert.deepEqual(got, [["success", 0, true], ["error", 1, 404, "No such attribute: Nope"]]);
  },
  async "what is malformed is a fetch error"() {
    const j = new Jolokia(url);
    let status = 0;
    await j.request({ type: "read", mbean: "nonsense" }, { method: "post", success: () => assert.fail(), error: () => assert.fail(), fetchError: (r) => { status = r.status; } });
    assert.equal(status, 400);
    await assert.rejects(j.request({ type: "frob", mbean: fan }, { method: "post" }), (r) => r.status === 400);
  },
  async "processing parameters"() {
    const j = new Jolokia({ url, serializeLong: "string", maxDepth: 1, includeRequest: false });
    const answer = await j.request({ type: "read", mbean: fan, attribute: ["Big", "Usage"] });
    assert.deepEqual(answer.value, { Big: "9223372036854775807", Usage: "{deep={er=x}, max=1e+21, used=123}" });
    assert.equal(answer.request, undefined);
    const text = await new Jolokia({ url, mimeType: "text/plain" }).request({ type: "version" });
    assert.equal(typeof text, "string");
  },
  async "write and exec, and what the policy forbids"() {
    const j = new Jolokia(url);
    let answer = await j.request({ type: "write", mbean: fan, attribute: "Load", value: 0.75 }, { method: "post" });
    assert.deepEqual([answer.status, answer.value], [200, 0.5]);
    answer = await j.request({ type: "write", mbean: fan, attribute: "Load", value: 0.5 }, { method: "get" });
    assert.equal(answer.status, 403);
    answer = await j.request({ type: "write", mbean: fan, attribute: "Load", value: 0.5 }, { method: "post" });
    assert.deepEqual([answer.status, answer.value], [200, 0.75]);
    answer = await j.request({ type: "exec", mbean: fan, operation: "add(long,long)", arguments: [20, 22] }, { method: "post" });
    assert.equal(answer.value, 42);
    answer = await j.request({ type: "exec", mbean: "grove:type=Timer", operation: "start" }, { method: "post" });
    assert.deepEqual([answer.status, answer.error_type], [403, "java.lang.SecurityException"]);
  },
  async "the simple client"() {
    const j = new Simple(url);
    assert.equal(await j.getAttribute(fan, "Speed"), 42);
    assert.equal(await j.getAttribute(fan, "Usage", "used"), 123);
    assert.equal(await j.setAttribute(fan, "On", false), true);
    assert.equal(await j.setAttribute(fan, "On", true), false);
    assert.equal(await j.execute(fan, "add", 1, 2), 3);
    assert.deepEqual(await j.search("nope:*"), []);
    assert.equal((await j.search("grove:*")).length, 4);
    const version = await j.version();
    assert.ok(Simple.isVersionResponse(version));
    assert.deepEqual([version.protocol, version.agent], ["8.2", "1.2.3"]);
    assert.equal((await j.list(["grove", "type=Gadget"])).class, "t.Gadget");
    assert.equal((await j.list("grove/" + Simple.escapePost('type=Fan,name="q/u!o,te\\"d"'))).attr.Speed.type, "long");
    const all = await j.list(null, { maxDepth: 9, listCache: true });
    assert.equal(all.cache[all.domains.grove["type=Gadget"]].class, "t.Gadget");
    await assert.rejects(j.getAttribute(fan, "Nope"), (e) => e === "No such attribute: Nope");
    await new Promise((done) => j.getAttribute("grove:type=None", "x", { error: (r) => { assert.equal(r.status, 404); done(); } }));
  },
  async "polling jobs"() {
    const j = new Jolokia(url);
    const got = await new Promise((done) => {
      j.register((...r) => done(r), { type: "read", mbean: fan, attribute: "Speed" }, { type: "read", mbean: fan, attribute: "Nope" });
    });
    j.stop();
    assert.deepEqual(got.map((r) => r.status), [200, 404]);
  },
  async "a list that is asked for again"() {
    const j = new Jolokia(url);
    const answer = await j.request({ type: "list", path: "grove" }, { ifModifiedSince: 2000000000 });
    assert.equal(answer.status, 304);
  },
};

for (const mode of ["pull", "sse"]) {
  checks[`notifications by ${mode}`] = async () => {
    const j = new Jolokia(url);
    const writer = new Simple(url);
    let handle;
    if (mode === "pull") j.start(50);
    const got = await new Promise((done, fail) => {
      const all = [];
      j.addNotificationListener({
        mbean: fan, mode, filter: ["jmx.attribute"], handback: { from: mode },
        callback: (r) => {
          assert.equal(r.handle, handle?.id ?? r.handle);
          assert.deepEqual([r.handback, r.dropped], [{ from: mode }, 0]);
          all.push(...r.notifications);
          if (all.length >= 2) done(all);
        },
      }).then(async (h) => {
        handle = h;
        await writer.setAttribute(fan, "Pause", 1);
        await writer.setAttribute(fan, "Pause", 90);
      }).catch(fail);
    });
    j.stop();
    assert.deepEqual(got.map((n) => [n.type, n.attributeName, n.attributeType, n.oldValue, n.newValue, n.source.objectName]), [
      ["jmx.attribute.change", "Pause", "double", 90, 1, "grove:name=one,type=Fan"],
      ["jmx.attribute.change", "Pause", "double", 1, 90, "grove:name=one,type=Fan"],
    ]);
    assert.equal(got[1].sequenceNumber, got[0].sequenceNumber + 1);
    assert.ok(got[0].timeStamp > 0);
    assert.equal(await j.removeNotificationListener(handle), true);
    assert.equal(await j.unregisterNotificationClient(), true);
  };
}

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok ${name}`);
  } catch (e) {
    console.log(`FAILED ${name}`);
    console.log(e instanceof Response ? `${e.status} ${await e.text()}` : e);
    process.exitCode = 1;
  }
}
process.exit(); // sockets that are kept alive would keep the program alive
