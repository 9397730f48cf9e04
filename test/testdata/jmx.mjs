// What a JMX client does with a running manager, by npm's jolokia.js: it reads a node,
// tunes its threshold, has a monitor made that watches it, and pulls its alarm. The
// address of the manager is in GROVE_URL; what it got is printed as JSON.
import Jolokia from "jolokia.js";
import Simple from "@jolokia.js/simple";

const grove = process.env.GROVE_URL;
const node = 'grove:type=Node,path="/other/Level"';
const factory = "grove.monitor:type=MonitorFactory";
const gauge = "grove.monitor:type=GaugeMonitor,name=level";
const simple = new Simple({ url: `${grove}/jolokia`, method: "post" });
const client = new Jolokia({ url: `${grove}/jolokia`, method: "post" });
const said = {};

async function push(value) {
  const answer = await fetch(`${grove}/api/v1/readings`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ path: "/other/Level", value }),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

try {
  said.value = await simple.getAttribute(node, "Value");
  said.before = await simple.setAttribute(node, "YellowToRed", 20);
  said.after = await simple.getAttribute(node, "YellowToRed");
  said.made = await simple.execute(factory, "createGauge", "level");
  await simple.execute(gauge, "addObservedObject", node);
  await simple.setAttribute(gauge, "ObservedAttribute", "Value");
  await simple.setAttribute(gauge, "GranularityPeriod", 100);
  await simple.execute(gauge, "setThresholds(java.lang.Number,java.lang.Number)", 15, 5);
  await simple.setAttribute(gauge, "NotifyHigh", true);
  client.start(50);
  const alarm = new Promise((done, fail) => {
    client.addNotificationListener({ mbean: gauge, mode: "pull", filter: ["jmx.monitor"], callback: (r) => done(r.notifications[0]) }).then(async () => {
      await simple.execute(gauge, "start");
      await push(16);
    }).catch(fail);
  });
  const n = await alarm;
  said.alarm = [n.type, n.observedObject.objectName, n.observedAttribute, n.derivedGauge, n.trigger, n.source.objectName];
  client.stop();
  console.log(JSON.stringify(said));
} catch (e) {
  console.log(e instanceof Response ? `${e.status} ${await e.text()}` : e);
  process.exitCode = 1;
}
process.exit(); // sockets that are kept alive would keep the program alive
