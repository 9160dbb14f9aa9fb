// An SMSC by the npm package `smpp`, which nobody here wrote: `node server.js PORT [quiet]`.
//
// Tells each message that it takes as a JSON line, sends a delivery report for it, and does what it
// reads as JSON lines: {"mode": {...}} changes how it answers, {"from", "to", "text"} is a text that
// a phone sends. With `quiet` it only counts. Nothing is written to disk.
//
// Modes: throttle (share of submissions answered ESME_RTHROTTLED), status (what it is instead),
// rate (submissions a second that are taken; the others are throttled), slow (milliseconds before
// an answer), mute (no answers at all), garbage (bytes that are no PDU), poison (a text at which it
// hangs up), early (the report comes before the answer), reports (false: none).
'use strict';
const smpp = require('smpp');
const readline = require('readline');

const port = Number(process.argv[2]);
const quiet = process.argv.includes('quiet');
const sessions = new Set();
let mode = {};
let taken = 0;
let second = 0;
let inSecond = 0;

const say = (line) => { process.stdout.write(JSON.stringify(line) + '\n'); };

function textOf(pdu) {
  const field = pdu.message_payload || pdu.short_message || '';
  const message = field.message === undefined ? field : field.message;
  if (!Buffer.isBuffer(message)) return String(message); // it has decoded the text itself
  if (pdu.data_coding !== 8 || message.length % 2) return message.toString('latin1');
  return Buffer.from(message).swap16().toString('utf16le');
}

function isThrottled() {
  if (mode.rate) {
    const now = Math.floor(Date.now() / 1000);
    if (now !== second) { second = now; inSecond = 0; }
    if (inSecond >= mode.rate) return true;
    inSecond += 1;
  }
  return Boolean(mode.throttle) && Math.random() < mode.throttle;
}

function report(from, pdu, id) {
  // a transmitter hears nothing: its report goes to a receiver
  const hears = (session) => session.kind !== 'bind_transmitter';
  const session = hears(from) ? from : [...sessions].find(hears);
  if (!session) return;
  session.deliver_sm({
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    esm_class: 4,
    short_message: `id:${id} sub:001 dlvrd:001 stat:DELIVRD err:000 text:`,
  });
}

function submitted(session, pdu) {
  if (quiet && !Object.keys(mode).length) {
    taken += 1;
    session.send(pdu.response({ message_id: String(taken) }));
    return;
  }
  const text = textOf(pdu);
  if (mode.poison && text.includes(mode.poison)) { say({ poisoned: text }); session.destroy(); return; }
  if (mode.garbage) { session.socket.write(Buffer.from('this is no SMPP at all, and never was one\0\0')); return; }
  if (mode.mute) { say({ unanswered: text }); return; }
  if (isThrottled()) {
    session.send(pdu.response({ command_status: mode.status || smpp.ESME_RTHROTTLED }));
    return;
  }
  taken += 1;
  const id = `${process.pid}-${taken}`;
  const header = pdu.esm_class & 0x40 ? pdu.short_message.udh : null;
  say({
    id, at: Date.now(), from: pdu.source_addr, to: pdu.destination_addr, coding: pdu.data_coding,
    esm_class: pdu.esm_class, header: header ? Buffer.concat([].concat(header)).toString('hex') : '', text,
    validity: pdu.validity_period ? String(pdu.validity_period) : '',
    payload: Boolean(pdu.message_payload),
    dlt: [0x1400, 0x1401, 0x1402].map((tag) => (pdu[tag] ? Buffer.from(pdu[tag]).toString() : '')),
  });
  const answer = () => {
    session.send(pdu.response({ message_id: id }));
    if (mode.reports !== false && !mode.early) report(session, pdu, id);
  };
  if (mode.early) report(session, pdu, id);
  setTimeout(answer, mode.slow || (mode.early ? 50 : 0));
}

const server = smpp.createServer((session) => {
  const bound = (pdu) => {
    sessions.add(session);
    session.kind = pdu.command;
    session.send(pdu.response({ system_id: 'smsc' }));
    say({ bound: pdu.command, system_id: pdu.system_id, system_type: pdu.system_type });
  };
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) session.on(kind, bound);
  session.on('submit_sm', (pdu) => submitted(session, pdu));
  session.on('enquire_link', (pdu) => { if (!mode.mute) session.send(pdu.response()); });
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('close', () => { sessions.delete(session); say({ left: true }); });
  session.on('error', () => { sessions.delete(session); });
});
server.listen(port, '127.0.0.1', () => say({ ready: true }));

function inbound(line) {
  const octets = Buffer.from(line.text, 'utf16le').swap16();
  const common = { source_addr: line.from, destination_addr: line.to, data_coding: 8 };
  const parts = line.pieces || 1;
  for (const session of sessions) {
    if (parts === 1) { session.deliver_sm({ ...common, short_message: octets }); continue; }
    const size = Math.ceil(octets.length / 2 / parts) * 2;
    for (let place = parts; place >= 1; place -= 1) { // the last one first
      session.deliver_sm({
        ...common, esm_class: 0x40,
        short_message: {
          udh: Buffer.from([5, 0, 3, 77, parts, place]),
          message: octets.subarray((place - 1) * size, place * size),
        },
      });
    }
  }
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const told = JSON.parse(line);
  if (told.mode) { mode = told.mode; say({ changed: mode }); } else inbound(told);
}).on('close', () => { say({ taken }); process.exit(0); });
