/* page.js - shows what the API says. Text from outside goes into text nodes only.
 * SPDX-License-Identifier: ISC */
"use strict";

const $ = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/* el("td", {class: "num"}, "text", node, null) */
function el(tag, props, ...children) {
	const e = document.createElement(tag);
	for (const [k, v] of Object.entries(props || {})) {
		if (k.startsWith("on"))
			e.addEventListener(k.slice(2), v);
		else if (v !== null && v !== false)
			e.setAttribute(k, v === true ? "" : v);
	}
	e.append(...children.flat().filter(c => c !== null && c !== undefined));
	return e;
}

function svg(tag, props, ...children) {
	const e = document.createElementNS(SVG, tag);
	for (const [k, v] of Object.entries(props))
		e.setAttribute(k, v);
	e.append(...children);
	return e;
}

/* ---- numbers and times as people say them ---- */

function scaled(v, unit) {
	if (v === null || v === undefined)
		return "–";
	const step = ["", " k", " M", " G", " T", " P"];
	let i = 0;
	let a = Math.abs(v);
	while (a >= 999.5 && i < step.length - 1) {
		a /= 1000;
		i++;
	}
	const digits = a >= 99.95 || (i === 0 && Number.isInteger(a)) ? 0 : a >= 9.995 ? 1 : 2;
	const prefix = step[i] || (unit ? " " : "");
	return (v < 0 ? "−" : "") + a.toFixed(digits) + prefix + unit;
}
const bytes = v => scaled(v, "B");
const rate = v => scaled(v, "bit/s");
const count = v => scaled(v, "");
const percent = v => (100 * v).toFixed(v >= 0.0995 || !v ? 0 : v >= 0.001 ? 1 : 2) + " %";

function value(v, unit) {
	return unit === "1" ? scaled(v, "") : scaled(v, unit);
}

function duration(s) {
	const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
	const at = parts.findIndex(p => s >= p[0]);
	if (at < 0)
		return "0 s";
	const [n, word] = parts[at];
	let text = Math.floor(s / n) + " " + word;
	if (at < 2 && Math.floor(s % n / parts[at + 1][0]))
		text += " " + Math.floor(s % n / parts[at + 1][0]) + " " + parts[at + 1][1];
	return text;
}

const ago = iso => {
	const s = (Date.now() - Date.parse(iso)) / 1000;
	return s < 3 ? "now" : duration(s) + " ago";
};

function time(iso) {
	const d = new Date(iso);
	const short = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
	const day = { weekday: "short", day: "numeric", month: "short" };
	const same = d.toDateString() === new Date().toDateString();
	return el("time", { datetime: iso, title: d.toString() },
		d.toLocaleString([], same ? short : { ...day, ...short }));
}

/* ---- asking ---- */

class NeedToken extends Error {}

async function ask(path, params) {
	const query = new URLSearchParams();
	for (const [k, v] of Object.entries(params || {}))
		if (v !== "" && v !== null && v !== undefined)
			query.set(k, v);
	const token = sessionStorage.getItem("token");
	const answer = await fetch("/api/v1/" + path + (query.size ? "?" + query : ""),
		{ headers: token ? { Authorization: "Bearer " + token } : {} });
	if (answer.status === 401)
		throw new NeedToken();
	const body = await answer.json();
	if (!answer.ok)
		throw new Error(body.error);
	return body;
}

/* Changes something. Reading may be free; this wants a token, asked for once a tab. */
async function change(path, what) {
	const token = sessionStorage.getItem("token");
	const answer = await fetch("/api/v1/" + path, { method: "POST", body: JSON.stringify(what),
		headers: { "Content-Type": "application/json",
			...(token ? { Authorization: "Bearer " + token } : {}) } });
	if (answer.status === 401 || (answer.status === 403 && !token)) {
		$("login-why").textContent = "To change something culpritd wants the token of its " +
			"token_file; where there is none, that in write.token in its state directory. " +
			"Paste it, then press the button again; it is kept until this tab is closed.";
		$("login").hidden = false;
		$("login").scrollIntoView({ block: "center" });
		$("token").focus();
		throw new Error("a token is needed first");
	}
	const body = await answer.json();
	if (answer.status === 403)
		sessionStorage.removeItem("token");
	if (!answer.ok)
		throw new Error(body.error);
	return body;
}

/* Runs fn now and every `seconds`, while the page is looked at. */
function every(seconds, fn) {
	let running = false;
	const turn = async () => {
		if (running || document.hidden || $("main").hidden)
			return;
		running = true;
		try {
			await fn();
			$("trouble").hidden = true;
		} catch (e) {
			if (e instanceof NeedToken) {
				$("login").hidden = false;
				$("main").hidden = true;
			} else {
				$("trouble").hidden = false;
				$("trouble").textContent = e instanceof TypeError
					? "culpritd does not answer; what is shown is old." : e.message;
			}
		}
		running = false;
	};
	turn();
	setInterval(turn, seconds * 1000);
	document.addEventListener("visibilitychange", turn);
	return turn;
}

/* ---- drawing ---- */

/* points: [x, y] with x ascending; a hole wider than `gap` breaks the line. */
function spark(points, from, to, gap, band) {
	const s = svg("svg", { class: "spark", viewBox: "0 0 100 20", preserveAspectRatio: "none",
		"aria-hidden": "true" });
	const max = Math.max(1e-9, ...points.map(p => p[1]), band ? band[1] : 0);
	const x = v => (100 * (v - from) / (to - from)).toFixed(2);
	const y = v => (19.5 - 18.5 * Math.max(0, v) / max).toFixed(2);
	let line = "";
	let area = "";
	let start = null;
	points.forEach((p, i) => {
		const cut = i === 0 || p[0] - points[i - 1][0] > gap;
		if (cut && start !== null)
			area += `L${x(points[i - 1][0])} 20Z`;
		if (cut) {
			start = p[0];
			area += `M${x(p[0])} 20`;
		}
		line += (cut ? "M" : "L") + x(p[0]) + " " + y(p[1]);
		area += `L${x(p[0])} ${y(p[1])}`;
		if (cut) /* a point alone is seen too */
			line += `h.4`;
	});
	if (points.length)
		area += `L${x(points[points.length - 1][0])} 20Z`;
	if (band)
		s.append(svg("rect", { class: "normal", x: 0, width: 100, y: y(band[1]),
			height: Math.max(0.5, y(band[0]) - y(band[1])) }));
	s.append(svg("path", { class: "area", d: area }), svg("path", { d: line }));
	return s;
}

/* Where the value stands against its normal band and its limit. */
function gauge(r) {
	const top = Math.max(r.value || 0, r.high || 0, r.threshold || 0) * 1.08 || 1;
	const x = v => 200 * Math.max(0, v) / top;
	const over = r.state !== "ok";

	if (r.high === null && r.threshold === null)
		return null; /* nothing to stand against */
	const s = svg("svg", { class: "gauge" + (over ? " over" : ""), viewBox: "0 0 200 16",
		preserveAspectRatio: "none", role: "img" });
	s.append(svg("rect", { class: "track", x: 0, y: 6, width: 200, height: 4, rx: 2 }));
	if (r.low !== null && r.high !== null)
		s.append(svg("rect", { class: "normal", x: x(r.low), y: 2,
			width: Math.max(1, x(r.high) - x(r.low)), height: 12 }));
	if (r.threshold !== null)
		s.append(svg("line", { class: "limit", x1: x(r.threshold), x2: x(r.threshold),
			y1: 0, y2: 16 }));
	if (r.value !== null)
		s.append(svg("rect", { class: "now", x: Math.max(0, x(r.value) - 1.5), y: 1, width: 3,
			height: 14, rx: 1 }));
	return s;
}

function share(part) {
	const bar = el("i");
	bar.style.width = (100 * part).toFixed(1) + "%";
	return el("td", { class: "num share" }, bar, percent(part));
}

const none = (columns, text) =>
	el("tr", { class: "none" }, el("td", { colspan: columns }, text));

/* ---- exporters, system ---- */

const stateClass = { ok: "ok", lossy: "warn", waiting: "warn", silent: "bad", "never seen": "bad" };

function exporterRows(e) {
	const lost = e.lost.flows + e.lost.records + e.lost.datagrams;
	const rows = [el("tr", null,
		el("td", null, el("b", null, e.name), e.name === e.address ? null
			: el("span", { class: "quiet" }, " " + e.address)),
		el("td", null, el("span", { class: "state " + stateClass[e.state] }, e.state)),
		el("td", { class: "nowrap" }, e.protocols.map(p => p.title).join(", ") || "–"),
		el("td", { class: "num" }, e.flows_per_s === null ? "…" : count(Math.round(e.flows_per_s * 10) / 10)),
		el("td", { class: "num" }, e.bits_per_s === null ? "…" : rate(e.bits_per_s)),
		el("td", { class: "num" }, count(e.flows)),
		el("td", { class: "num" + (lost ? " bad" : "") }, count(lost)),
		el("td", { class: "num" + (e.datagrams.malformed ? " bad" : "") }, count(e.datagrams.malformed)),
		el("td", { class: "num" }, e.sampling > 1 ? "1:" + e.sampling : e.sampling ? "none" : "–"),
		el("td", { class: "nowrap" }, e.last_seen ? ago(e.last_seen) : "never"))];
	for (const h of e.hints)
		rows.push(el("tr", { class: "hint " + h.level }, el("td", { colspan: 10 }, el("span", null, h.text))));
	return rows;
}

function pair(word, ...what) {
	return [el("dt", null, word), el("dd", null, ...what)];
}

function systemList(s) {
	const list = [];
	if (s.archive)
		list.push(pair("Archive", !s.archive.on ? "off" : bytes(s.archive.bytes) + " in " +
			count(s.archive.files) + " files, " + count(s.archive.flows) + " flows written, " +
			count(s.archive.dropped_flows) + " not",
			s.archive.why ? el("span", { class: "hint" }, s.archive.why) : null));
	if (s.history)
		list.push(pair("History", s.history.up ? "up" : "not reachable",
			s.history.spool_bins ? ", " + count(s.history.spool_bins) + " bins wait on disk" : "",
			s.history.why ? el("span", { class: "hint" }, s.history.why) : null));
	for (const k of s.sockets)
		list.push(pair("Socket", k.name + ": " + count(k.datagrams) + (k.receive_buffer
			? " datagrams, " + count(k.dropped) + " dropped, buffer " + bytes(k.receive_buffer)
			: " messages"), /* TCP: nothing is dropped */
			k.hint ? el("span", { class: "hint" }, k.hint) : null));
	for (const c of s.channels)
		list.push(pair("Channel " + c.name, count(c.sent) + " sent, " + count(c.queued) + " waiting, " +
			count(c.given_up) + " given up",
			c.last_error ? el("span", { class: "hint" }, c.last_error) : null));
	if (s.memory)
		list.push(pair("Memory", s.memory.map(m => m.table + " " + bytes(m.bytes)).join(", ") || "–"));
	list.push(pair("Version", s.version));
	return list.flat();
}

async function showStatus() {
	const s = await ask("status");
	const flows = s.exporters.reduce((n, e) => n + (e.flows_per_s || 0), 0);
	const seen = s.exporters.reduce((n, e) => n + e.flows, 0);
	const datagrams = s.sockets.reduce((n, k) => n + k.datagrams, 0);

	$("summary").textContent = [
		s.ready ? null : s.why,
		s.alerts_firing ? s.alerts_firing + (s.alerts_firing > 1 ? " alerts firing" : " alert firing")
			: "nothing is firing",
		s.exporters_total + (s.exporters_total === 1 ? " exporter" : " exporters"),
		count(Math.round(flows)) + " flows/s",
		s.uptime_s === undefined ? null : "up " + duration(s.uptime_s),
	].filter(x => x !== null).join(" · ");
	document.title = (s.alerts_firing ? "(" + s.alerts_firing + ") " : "") + "culprit";
	$("n-exporters").textContent = s.exporters_total || "";
	$("exporter-rows").replaceChildren(...s.exporters.length ? s.exporters.flatMap(exporterRows)
		: [none(10, "None yet.")]);
	$("system-list").replaceChildren(...systemList(s));
	$("empty").hidden = seen > 0;
	if (!seen)
		firstSteps(s.sockets);
	$("datagrams").textContent = datagrams;
}

/* ---- interfaces and other series ---- */

const pasts = new Map(); /* name of a history -> {at, points} */

async function past(r) {
	const known = pasts.get(r.history);
	if (known && Date.now() - known.at < 300000)
		return known;
	const h = await ask("history", { series: r.history, from: "-1d" });
	const per = b => r.unit === "bit/s" ? b.bytes * 8 / b.seen_s : r.unit === "flows/s"
		? b.flows / b.seen_s : r.unit === "packets/s" ? b.packets / b.seen_s : b.gauge;
	const points = h.bins.filter(b => b.seen_s).map(b => [b.start_s + 150, per(b)]);
	const to = Date.parse(h.to) / 1000;
	/* A new one is shown as far as it goes back, but for an hour at least. */
	const from = Math.max(to - 86400, Math.min(to - 3600, points.length ? points[0][0] : to));
	const fresh = { at: Date.now(), from, to, points };
	pasts.set(r.history, fresh);
	return fresh;
}

function normal(r) {
	if (r.low !== null && r.high !== null)
		return value(r.low, r.unit) + " to " + value(r.high, r.unit);
	if (r.armed_in_s)
		return el("span", { class: "quiet" }, "learning, armed in " + duration(r.armed_in_s));
	return el("span", { class: "quiet" }, "not known yet");
}

function since(r) {
	return r.state === "ok" ? null : el("span", { class: "state " +
		(r.state === "firing" ? "bad" : "warn") }, r.state + " " + ago(r.since).replace(" ago", ""));
}

/* Rows are kept, so that what is being read does not flicker. */
function interfaceRow(r) {
	const picture = el("td");
	const p = r.history ? pasts.get(r.history) : null;
	if (p) {
		picture.title = "since " + new Date(p.from * 1000).toLocaleString();
		picture.append(spark(p.points, p.from, p.to, 700,
			r.low !== null && r.high !== null ? [r.low, r.high] : null));
	}
	return el("tr", null, el("td", null, r.series),
		el("td", { class: "num" + (r.state === "firing" ? " bad" : "") }, value(r.value, r.unit)),
		el("td", { class: "nowrap" }, normal(r)), el("td", { class: "wide" }, gauge(r) || ""), picture,
		el("td", { class: "nowrap" }, since(r)));
}

function limit(r) {
	if (r.low !== null && r.high !== null)
		return "normally " + value(r.low, r.unit) + " to " + value(r.high, r.unit);
	return r.threshold === null ? normal(r) : "limit " + value(r.threshold, r.unit);
}

async function showSeries() {
	const all = await ask("series", { limit: 500 });
	const first = new Map(); /* of several rules on one interface, the one with a normal */
	for (const r of all.series.filter(x => x.by === "interface" && x.unit === "bit/s")) {
		const had = first.get(r.id);
		if (!had || (had.high === null && r.high !== null) ||
		    (r.state !== "ok" && had.state === "ok"))
			first.set(r.id, had && had.high !== null && r.high === null
				? { ...had, state: r.state, since: r.since, threshold: r.threshold } : r);
	}
	const shown = [...first.values()].slice(0, 60);
	const others = all.series.filter(r => !shown.some(s => s.id === r.id && r.unit === "bit/s"));
	const draw = () => $("interface-rows").replaceChildren(...shown.length
		? shown.map(interfaceRow) : [none(6, "None seen yet.")]);

	draw();
	$("interface-table").classList.toggle("bare",
		!shown.some(r => r.high !== null || r.threshold !== null));
	$("n-others").textContent = others.length || "";
	$("other-rows").replaceChildren(...others.slice(0, 300).map(r => el("tr", null,
		el("td", null, r.rule), el("td", null, r.series),
		el("td", { class: "num" }, value(r.value, r.unit)), el("td", null, limit(r)),
		el("td", null, since(r)))));
	let drawn = false;
	for (const r of shown)
		if (r.history && !(pasts.has(r.history) && Date.now() - pasts.get(r.history).at < 300000)) {
			try {
				await past(r);
				drawn = true;
			} catch (e) {
				if (e instanceof NeedToken)
					throw e;
				break; /* no history: the page works without */
			}
		}
	if (drawn)
		draw();
}

/* ---- alerts ---- */

const protos = { 1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmp6" };
const opened = new Set();
let alertLimit = 20;
let alertsShown = "";

function end(address, name, port) {
	return [el("span", { class: "mono" }, address + (port ? ":" + port : "")),
		name ? el("span", { class: "quiet" }, " " + name) : null];
}

function flowRow(f) {
	return el("tr", null,
		el("td", null, end(f.src, f.src_name, f.src_port)),
		el("td", null, end(f.dst, f.dst_name, f.dst_port),
			f.client ? el("div", { class: "quiet" }, "for ", f.client) : null,
			f.urls.length ? el("ul", { class: "urls" }, f.urls.map(u =>
				el("li", null, u.url + " (" + bytes(u.bytes) + ")"))) : null),
		el("td", null, protos[f.proto] || f.proto),
		el("td", { class: "num" }, bytes(f.bytes)),
		el("td", { class: "num" }, count(f.packets)), share(f.share));
}

/* Acknowledge, silence: a small form, since who and why belong to it. */
function deeds(a) {
	const said = el("span", { class: "quiet", role: "status" });
	const who = el("input", { placeholder: "your name", maxlength: 60, autocomplete: "name",
		"aria-label": "your name", value: localStorage.getItem("author") || "" });
	const why = el("input", { placeholder: "comment", maxlength: 300, "aria-label": "comment" });
	const long = el("select", { "aria-label": "for how long" }, [[3600, "1 hour"], [7200, "2 hours"],
		[28800, "8 hours"], [86400, "1 day"], [604800, "1 week"]].map(([v, t]) =>
		el("option", { value: v, selected: v === 7200 }, t)));
	const go = async (path, what) => {
		localStorage.setItem("author", who.value);
		said.textContent = "…";
		try {
			await change(path, { alert: a.id, author: who.value, comment: why.value, ...what });
			said.textContent = "done";
			again.forEach(turn => turn());
		} catch (e) {
			said.textContent = e.message;
		}
	};
	return el("p", { class: "deeds" }, who, why,
		a.status === "firing" && !a.ack ? el("button", { type: "button",
			title: "No more reminders and no escalation; its end is told",
			onclick: () => go("alerts/ack", {}) }, "Acknowledge") : null,
		el("span", { class: "joined" }, el("button", { type: "button",
			title: "Nobody is told of this rule for this series",
			onclick: () => go("silences", { for_s: Number(long.value) }) }, "Silence"), long), said);
}

function inside(a) {
	const parts = [];
	if (a.quiet)
		parts.push(el("p", { class: "told" }, a.quiet));
	if (a.ack)
		parts.push(el("p", { class: "told" }, "Acknowledged by " + (a.ack.by || "somebody") + " ",
			time(a.ack.at), a.ack.comment ? ": " + a.ack.comment : ""));
	const facts = [];
	facts.push("limit " + value(a.threshold, a.unit), "highest " + value(a.peak, a.unit));
	if (a.baseline)
		facts.push("normally " + value(a.baseline.low, a.unit) + " to " + value(a.baseline.high, a.unit));
	if (a.quality.lost_flows || a.quality.dropped_datagrams)
		facts.push("lossy data: " + a.quality.lost_flows + " flows and " +
			a.quality.dropped_datagrams + " datagrams were lost");
	if (a.quality.sampling > 1)
		facts.push("sampled 1 in " + a.quality.sampling);
	parts.push(el("p", { class: "quiet" }, "Rule " + a.rule + (a.filter && a.filter !== "any"
		? " (" + a.filter + ")" : "") + ": " + facts.join(", ") + "."));
	const points = a.spark ? a.spark.values.map((v, i) => [i, v]).filter(p => p[1] !== null) : [];
	if (points.length > 1)
		parts.push(spark(points, points[0][0], a.spark.values.length - 1, 1,
			a.baseline ? [a.baseline.low, a.baseline.high] : null));
	if (a.top_flows.length)
		parts.push(el("h3", null, a.status === "resolved" ? "Top flows while it lasted"
			: "Top flows of the window"), el("div", { class: "scroll" },
			el("table", null, el("thead", null, el("tr", null, el("th", null, "From"),
				el("th", null, "To"), el("th", null, ""), el("th", { class: "num" }, "Bytes"),
				el("th", { class: "num" }, "Packets"), el("th", { class: "num" }, "Share"))),
				el("tbody", null, a.top_flows.map(flowRow)))));
	if (a.changed.length)
		parts.push(el("h3", null, "What changed" +
			(a.compared_with ? " against the traffic " + a.compared_with : "")), el("table", null, el("tbody", null,
			a.changed.map(c => el("tr", null, el("td", null, c.key),
				el("td", { class: "num" }, value(c.before, a.changed_unit || a.unit) +
					" → " + value(c.value, a.changed_unit || a.unit)),
				share(Math.max(0, Math.min(1, c.share_of_change))))))));
	parts.push(el("button", { class: "plain", type: "button", onclick: () => lookAt(a) },
		"Look at this window in the table below"));
	parts.push(deeds(a));
	return parts;
}

function alertCard(a) {
	const fires = a.status === "firing";
	const lasted = a.ended_at ? duration((Date.parse(a.ended_at) - Date.parse(a.started_at)) / 1000) : "";
	const body = el("div", { class: "inside" });
	const card = el("details", { class: "alert " + a.status + " " + a.severity, id: "alert-" + a.id,
		open: opened.has(a.id),
		ontoggle: () => {
			if (!card.open) {
				opened.delete(a.id);
				return;
			}
			opened.add(a.id);
			if (!body.firstChild)
				body.append(...inside(a));
		} },
	el("summary", null, el("span", { class: "pill " + (fires ? a.severity : "") }, fires ? a.severity : "over"),
		el("span", { class: "say" }, a.why || a.series.name + ": " + value(a.value, a.unit)),
		a.ack ? el("span", { class: "pill", title: "acknowledged" }, "✓ " + (a.ack.by || "known"))
			: a.quiet ? el("span", { class: "pill", title: a.quiet },
			a.quiet.startsWith("No channel") ? "no channel" : "quiet") : null,
		el("span", { class: "quiet nowrap" }, time(a.started_at), fires ? "" : " for " + lasted)),
	body);
	if (card.open)
		body.append(...inside(a));
	return card;
}

async function showAlerts() {
	const { alerts } = await ask("alerts", { limit: alertLimit + 1 });
	const wanted = location.pathname.startsWith("/alert/")
		? decodeURIComponent(location.pathname.slice(7)) : null;
	const more = alerts.length > alertLimit;
	if (more)
		alerts.pop();
	if (wanted && !alerts.some(a => a.id === wanted)) {
		try {
			alerts.unshift((await ask("alerts", { id: wanted })).alerts[0]);
		} catch (e) {
			if (e instanceof NeedToken)
				throw e;
		}
	}
	alerts.sort((a, b) => (b.status === "firing") - (a.status === "firing"));
	const text = JSON.stringify(alerts) + more;
	if (text === alertsShown)
		return;
	if (wanted && !alertsShown)
		opened.add(wanted);
	const first = !alertsShown;
	alertsShown = text;
	const firing = alerts.filter(a => a.status === "firing").length;
	$("n-alerts").textContent = firing ? firing + " firing" : "";
	$("alert-list").replaceChildren(...alerts.length ? alerts.map(alertCard)
		: [el("p", { class: "quiet" }, "None: nothing has crossed a limit or left its normal band.")]);
	$("more-alerts").hidden = !more;
	if (first && wanted && $("alert-" + wanted))
		$("alert-" + wanted).scrollIntoView({ block: "center" });
}

/* ---- silences and maintenance ---- */

async function showSilences() {
	const { silences, maintenance } = await ask("silences");
	const rows = silences.filter(s => s.state !== "over").map(s => el("tr", null,
		el("td", { class: "mono" }, s.match || "every alert"),
		el("td", { class: "nowrap" }, s.state === "waits" ? "from " : "", s.state === "waits"
			? time(s.from) : "", s.state === "waits" ? " " : "", "until ", time(s.until)),
		el("td", null, s.author || "–"), el("td", null, s.comment),
		el("td", null, el("button", { class: "plain", type: "button", onclick: async e => {
			try {
				await change("silences/end", { id: s.id });
				again.forEach(turn => turn());
			} catch (x) {
				e.target.textContent = x.message;
			}
		} }, "End it"))));
	for (const m of maintenance.filter(w => w.active))
		rows.push(el("tr", null, el("td", { class: "mono" }, m.match || "every alert"),
			el("td", { class: "nowrap" }, m.until ? "until " : "", m.until ? time(m.until) : "always"),
			el("td", null, "maintenance"), el("td", null, m.name + ": " + m.when), el("td")));
	$("silences").hidden = !rows.length;
	$("silence-rows").replaceChildren(...rows);
}

/* ---- top ---- */

const local = ms => new Date(ms - new Date(ms).getTimezoneOffset() * 60000).toISOString().slice(0, 19);
const span = () => Number($("span").value);
let topTurn = 0;

function topState() {
	return { from: $("from").value ? new Date($("from").value).getTime() : "", span: span(),
		by: $("by").value, order: $("order").value, filter: $("filter").value.trim() };
}

function columns(by, n) {
	const head = by.map(w => el("th", null, w));
	head.push(...["Bytes", "Rate", "Packets", "Flows", "Share"].map(w => el("th", { class: "num" }, w)));
	$("top-head").replaceChildren(el("tr", null, head));
	return n + 5;
}

/* The filter that means this cell, or null. */
function term(word, text) {
	const prefix = { host: "host ", src: "src host ", dst: "dst host ", proto: "proto ",
		exporter: "exporter ", "src-port": "src ", "dst-port": "dst " }[word];
	const service = /\((tcp|udp) (\d+)\)$/.exec(text) || /^(tcp|udp) (\d+)$/.exec(text);

	if (word === "port" && service)
		return service[1] + " and port " + service[2];
	return prefix && /^(port )?[\w.:-]+$/.test(text) ? prefix + text : null;
}

/* A click on a host or port narrows the filter to it. */
function narrow(word, text) {
	const only = term(word, text);
	if (!only)
		return el("span", { class: "mono" }, text);
	return el("button", { class: "plain mono", type: "button", title: "Only " + only,
		onclick: () => {
			const had = $("filter").value.trim();
			$("filter").value = (had && had !== "any" ? "(" + had + ") and " : "") + only;
			showTop();
		} }, text);
}

async function showTop(scroll) {
	const s = topState();
	const turn = ++topTurn;
	const to = s.from === "" ? "" : s.from + s.span * 1000;
	const keep = new URLSearchParams(Object.entries(s).filter(([, v]) => v !== ""));
	if (scroll !== "first")
		history.replaceState(null, "", location.pathname + "#top?" + keep);
	$("top-rows").classList.add("busy");
	try {
		const t = await ask("top", { from: s.from === "" ? "-" + s.span + "s" : s.from, to,
			by: s.by, order: s.order, filter: s.filter, n: 20 });
		if (turn !== topTurn)
			return;
		const n = columns(t.by, t.by.length);
		$("top-rows").replaceChildren(...t.rows.length ? t.rows.map(r => el("tr", null,
			r.values.map((v, i) => el("td", null, narrow(t.by[i], r.names && r.names[i] ? `${v} (${r.names[i]})` : v))),
			el("td", { class: "num" }, bytes(r.bytes)), el("td", { class: "num" }, rate(r.bits_per_s)),
			el("td", { class: "num" }, count(r.packets)), el("td", { class: "num" }, count(r.flows)),
			share(r.share))) : [none(n, s.filter ? "No flows in that time pass this filter."
			: "No flows in that time.")]);
		$("top-about").replaceChildren(time(t.from), " to ", time(t.to));
		$("top-foot").textContent = bytes(t.total.bytes) + ", " + count(t.total.packets) + " packets, " +
			count(t.total.flows) + " flows" + (t.distinct === null ? "" : ", " + count(t.distinct) + " different") +
			(t.read.oldest ? "; flows are kept since " + new Date(t.read.oldest).toLocaleString() : "");
		$("top-error").hidden = true;
	} catch (e) {
		if (turn === topTurn) {
			$("top-error").hidden = false;
			$("top-error").textContent = e.message || "culpritd does not answer.";
			$("top-rows").replaceChildren();
		}
	}
	$("top-rows").classList.remove("busy");
	if (scroll === true)
		$("top").scrollIntoView();
}

function lookAt(a) {
	const from = Date.parse(a.window.start);
	const length = (Date.parse(a.window.end) - from) / 1000;
	$("from").value = local(from);
	$("span").value = [...$("span").options].map(o => o.value).find(v => v >= length) || "86400";
	$("filter").value = a.filter === "any" ? "" : a.filter;
	$("by").value = "flow";
	showTop(true);
}

function shift(way) {
	const now = $("from").value ? new Date($("from").value).getTime() : Date.now() - span() * 1000;
	$("from").value = local(now + way * span() * 1000);
	showTop();
}

function topFromAddress() {
	const at = new URLSearchParams(location.search).get("at");
	const q = new URLSearchParams(location.hash.startsWith("#top?") ? location.hash.slice(5) : "");
	if (at && /^\d+$/.test(at))
		$("from").value = local(Number(at) * 1000);
	if (/^\d+$/.test(q.get("from") || ""))
		$("from").value = local(Number(q.get("from")));
	for (const id of ["span", "by", "order", "filter"])
		if (q.has(id))
			$(id).value = q.get(id);
	return at || [...q.keys()].length > 0;
}

/* ---- rules, first steps ---- */

async function showRules() {
	const { rules } = await ask("rules");
	$("n-rules").textContent = rules.length || "";
	$("rule-rows").replaceChildren(...rules.map(r => el("tr", null,
		el("td", null, r.name), el("td", null, r.measure), el("td", null, r.by),
		el("td", { class: "nowrap" }, r.window),
		el("td", null, [r.above !== null ? "above " + value(r.above, r.unit) : null,
			r.below !== null ? "below " + value(r.below, r.unit) : null,
			r.detector ? "leaves its normal (" + r.detector + ")" : null,
			r.for_s ? "for " + duration(r.for_s) : null].filter(x => x).join(", ")),
		el("td", { class: "mono" }, r.filter === "any" ? "every flow" : r.filter),
		el("td", { class: "num" }, r.series), el("td", { class: "num" }, r.alerts))));
}

/* How to point an exporter here; drawn again only when the ports have changed. */
let portsShown = "";

function firstSteps(sockets) {
	const port = { netflow: 2055, sflow: 6343 };
	const said = new Set();
	for (const k of sockets) {
		const m = /^(\w+) .*:(\d+) worker/.exec(k.name);
		if (m && !said.has(m[2] + " (" + m[1] + ")")) {
			said.add(m[2] + " (" + m[1] + ")");
			port[m[1]] = m[2];
		}
	}
	const ports = [...said].join(", ");
	if (ports === portsShown)
		return;
	portsShown = ports;
	$("ports").textContent = "UDP port " + ports;
	snippets(port.netflow, port.sflow);
}

function snippets(netflow, sflow) {
	const local = /^(localhost|127\.|\[::1)/.test(location.hostname);
	const here = local ? "192.0.2.10" : location.hostname.replace(/^\[|\]$/g, "");
	const list = [
		["softflowd, any Linux or BSD", `softflowd -i eth0 -v 10 -n ${here}:${netflow} -t maxlife=60 -t expint=10`],
		["Cisco IOS (classic)", `ip flow-export version 9
ip flow-export destination ${here} ${netflow}
ip flow-cache timeout active 1
interface GigabitEthernet0/0
 ip flow ingress`],
		["Cisco Flexible NetFlow", `flow record CULPRIT
 match ipv4 protocol
 match ipv4 source address
 match ipv4 destination address
 match transport source-port
 match transport destination-port
 match interface input
 collect counter bytes long
 collect counter packets long
 collect timestamp sys-uptime first
 collect timestamp sys-uptime last
 collect interface output
flow exporter CULPRIT
 destination ${here}
 transport udp ${netflow}
 template data timeout 30
flow monitor CULPRIT
 record CULPRIT
 exporter CULPRIT
 cache timeout active 60
 cache timeout inactive 10
interface GigabitEthernet0/0
 ip flow monitor CULPRIT input`],
		["MikroTik", `/ip traffic-flow set enabled=yes interfaces=all active-flow-timeout=1m inactive-flow-timeout=15s
/ip traffic-flow target add dst-address=${here} port=${netflow} version=9`],
		["Juniper (sFlow)", `set protocols sflow collector ${here} udp-port ${sflow}
set protocols sflow sample-rate ingress 1024
set protocols sflow polling-interval 20
set protocols sflow interfaces ge-0/0/0`],
		["VyOS", `set system flow-accounting interface eth0
set system flow-accounting netflow version 9
set system flow-accounting netflow server ${here} port ${netflow}
set system flow-accounting netflow timeout max-active-life 60`],
	];
	$("here").textContent = local ? "this machine (192.0.2.10 stands for its address)" : here;
	$("snippets").replaceChildren(...list.map(([name, text], i) => el("details", { open: i === 0 },
		el("summary", null, name), el("pre", null, navigator.clipboard ? el("button", { class: "copy",
			type: "button", onclick: e => navigator.clipboard.writeText(text).then(() => {
				e.target.textContent = "copied";
			}) }, "copy") : null, text))));
}

/* ---- start ---- */

$("top-form").addEventListener("submit", e => {
	e.preventDefault();
	showTop();
});
for (const id of ["from", "span", "by", "order"])
	$(id).addEventListener("change", () => showTop());
$("earlier").addEventListener("click", () => shift(-1));
$("later").addEventListener("click", () => shift(1));
$("latest").addEventListener("click", () => {
	$("from").value = "";
	showTop();
});
document.addEventListener("keydown", e => {
	if (e.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) {
		e.preventDefault();
		$("filter").focus();
	}
});

const asked = topFromAddress();
const again = [every(2, showStatus), every(5, showAlerts), every(5, showSeries), every(60, showRules),
	every(10, showSilences)];
$("more-alerts").addEventListener("click", () => {
	alertLimit += 50;
	again[1]();
});
$("login").addEventListener("submit", e => {
	e.preventDefault();
	sessionStorage.setItem("token", $("token").value.trim());
	$("token").value = "";
	$("login").hidden = true;
	$("main").hidden = false;
	again.forEach(turn => turn());
	showTop("first");
});
showTop("first").then(() => {
	if (asked)
		$("top").scrollIntoView();
});
