"use strict";
// Every page is whole without this: it only keeps what is shown up to date, and helps to find a field.
(() => {
  const main = document.querySelector("main");

  // Exact times in the reader's own zone.
  const localize = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const date = new Date(time.dateTime);
      if (!Number.isNaN(date.valueOf())) time.title = date.toLocaleString();
    }
  };

  const filter = () => {
    const input = main.querySelector("input[data-filter]");
    if (!input) return;
    input.closest("[hidden]")?.removeAttribute("hidden");
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const row of main.querySelectorAll("tr[data-text]")) {
        row.hidden = !row.dataset.text.toLowerCase().includes(wanted);
      }
      for (const section of main.querySelectorAll("section")) {
        section.hidden = !section.querySelector("tr[data-text]:not([hidden])");
      }
    });
  };

  localize();
  filter();
  if (!("live" in main.dataset) || !window.EventSource) return;

  const doing = {
    reading: "reading the model",
    sending: "sending",
    waiting_for_window: "waiting for the account's limit",
    throttled: "slowed down by the destination",
    waiting_for_destination: "waiting for the destination to come back",
    waiting_for_job: "waiting for a job at the destination",
  };
  const number = new Intl.NumberFormat("en");

  const show = (place, run) => {
    const [bar, text] = [place.querySelector("progress"), place.querySelector("span")];
    let words = doing[run.phase] ?? run.phase;
    if (run.planned === null) {
      bar.removeAttribute("value");
      if (run.read > 0) words += `, ${number.format(run.read)} rows so far`;
    } else {
      bar.max = Math.max(run.planned, 1);
      bar.value = run.settled;
      words += `, ${number.format(run.settled)} of ${number.format(run.planned)}`;
    }
    text.textContent = words;
  };

  let running = null;
  let refreshing = false;
  const refresh = async () => {
    // Never under somebody's hands.
    if (refreshing || document.hidden || main.contains(document.activeElement)) return;
    refreshing = true;
    try {
      const answer = await fetch(location.pathname, { headers: { accept: "text/html" } });
      if (answer.redirected) return location.reload();
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      if (next && !main.contains(document.activeElement)) {
        main.replaceChildren(...next.childNodes);
        localize();
      }
    } catch {
      // The daemon is away for a moment; the next refresh tries again.
    } finally {
      refreshing = false;
    }
  };

  const progress = (runs) => {
    const names = runs.map((run) => run.sync).join("\n");
    if (running !== null && running !== names) refresh();
    running = names;
    const by = new Map(runs.map((run) => [run.sync, run]));
    for (const place of main.querySelectorAll(".live[data-sync]")) {
      const run = by.get(place.dataset.sync);
      place.hidden = !run;
      if (run) show(place, run);
    }
  };

  let source = null;
  const listen = () => {
    source?.close();
    source = null;
    // A hidden page leaves its connection to others.
    if (document.hidden) return;
    source = new EventSource("/live");
    source.addEventListener("progress", (event) => progress(JSON.parse(event.data).runs));
    source.addEventListener("ended", refresh);
  };
  document.addEventListener("visibilitychange", () => { listen(); refresh(); });
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  setInterval(refresh, 30000);
  listen();
})();
