// Live progress, dropped files and waiting pages. Everything else works without this file.
(() => {
  "use strict";

  document.documentElement.classList.add("scripted");

  // -- a run in progress, and the connection to the server
  const live = document.getElementById("live");
  let source = null;
  let ask = () => {};
  // What stands there is old while the connection is lost: it must not look like what happens now.
  const stale = (is) => {
    if (!live) return;
    live.classList.toggle("live-lost", is);
    const state = live.querySelector(".state");
    if (is && state) {
      state.className = "state state-lost";
      state.textContent = live.dataset.lost;
    }
  };
  if (live) {
    const announcement = document.getElementById("announcement");
    let announced = -Infinity;
    source = new EventSource(live.dataset.events);
    source.addEventListener("live", (event) => {
      const news = JSON.parse(event.data);
      live.innerHTML = news.html;
      stale(false);
      // A new state and every tenth part for screen readers, at most every ten seconds.
      if (announcement.dataset.step !== news.step && event.timeStamp - announced > 10000) {
        announced = event.timeStamp;
        announcement.dataset.step = news.step;
        announcement.textContent = news.announcement;
      }
    });
    source.addEventListener("over", () => {
      source.close();
      location.reload();
    });
    // A stream ends every minute, and the next one begins at once. An answer that is not a stream ends it for good.
    source.addEventListener("error", () => setTimeout(() => source.readyState === EventSource.OPEN || ask(), 1500));
  }

  // A tab says when its server does not answer, and a page in progress then shows what happened in between.
  const lost = document.createElement("p");
  lost.className = "alert";
  lost.setAttribute("role", "alert");
  let next = 0;
  ask = async () => {
    clearTimeout(next);
    let answers = false;
    try {
      const icon = document.querySelector("link[rel=icon]").href;
      const answer = await fetch(icon, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(8000) });
      answers = answer.status < 500;
    } catch {
      // It does not.
    }
    if (!answers && !lost.isConnected) {
      document.getElementById("content").prepend(lost);
      lost.textContent = document.body.dataset.lost;
      stale(true);
    } else if (answers && (lost.isConnected || source?.readyState === EventSource.CLOSED)) {
      lost.remove();
      if (live) location.reload();
    }
    clearTimeout(next);
    next = setTimeout(ask, 4000);
  };
  next = setTimeout(ask, 4000);

  // -- notifications: a tab that was asked to shows one when its import is done. The report shows it, so a click on it
  // leads there; the tab may be in the background.
  const asked = document.querySelector("[data-notify]");
  const done = document.querySelector("[data-done]");
  const wanted = (run) => `notify ${run}`;
  if (asked && "Notification" in window && isSecureContext) {
    const words = asked.querySelector("[role=status]");
    const button = asked.querySelector("button");
    const on = () => {
      button.hidden = true;
      words.textContent = asked.dataset.on;
    };
    asked.hidden = false;
    asked.closest("section").removeAttribute("data-scripted");
    if (sessionStorage.getItem(wanted(asked.dataset.notify)) && Notification.permission === "granted") on();
    button.addEventListener("click", async () => {
      let permission = await Notification.requestPermission();
      try {
        // Some phones have the interface, but a page alone may not use it.
        if (permission === "granted") new Notification(document.title, { body: asked.dataset.on }).close();
      } catch {
        permission = "denied";
      }
      if (permission === "granted") {
        sessionStorage.setItem(wanted(asked.dataset.notify), "1");
        on();
      } else {
        words.textContent = asked.dataset.refused;
      }
    });
  }
  if (done && sessionStorage.getItem(wanted(done.dataset.done))) {
    sessionStorage.removeItem(wanted(done.dataset.done));
    if (!document.hasFocus() && Notification.permission === "granted") {
      const notice = new Notification(done.dataset.name, { body: done.dataset.words, tag: done.dataset.done });
      notice.addEventListener("click", () => {
        window.focus();
        notice.close();
      });
    }
  }

  const waiting = document.querySelector("[data-wait]");
  if (waiting) {
    const reload = async () => {
      try {
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        const text = await answer.text();
        if (answer.redirected) {
          location.replace(answer.url);
          return;
        }
        if (!text.includes("data-wait")) {
          location.reload();
          return;
        }
        const files = document.getElementById("queue");
        const news = new DOMParser().parseFromString(text, "text/html").getElementById("queue");
        if (files && news && files.innerHTML !== news.innerHTML) files.innerHTML = news.innerHTML;
      } catch {
        // The server is not reachable for a moment.
      }
      setTimeout(reload, 700);
    };
    setTimeout(reload, 300);
  }

  for (const fault of document.querySelectorAll("[data-focus]")) fault.focus();

  const kinds = { preference: "preference", preference_value: "value", ignored: "ignored" };
  for (const select of document.querySelectorAll("select[data-kind]")) {
    select.addEventListener("change", () => {
      select.closest("tr").className = `kind-${kinds[select.value] || "field"}`;
    });
  }

  // The first rows follow every change of the columns.
  for (const form of document.querySelectorAll("form[data-preview]")) {
    const grid = document.getElementById("preview");
    let timer = 0;
    let asked = new AbortController();
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        asked.abort();
        asked = new AbortController();
        try {
          const body = new URLSearchParams(new FormData(form));
          const headers = { accept: "application/json" };
          const answer = await fetch(form.dataset.preview, { method: "POST", body, headers, signal: asked.signal });
          if (!answer.ok || answer.redirected) return;
          const news = await answer.json();
          grid.innerHTML = news.html;
          document.getElementById("preview-words").textContent = news.words;
        } catch {
          // A later change, or the server is not reachable for a moment.
        }
      }, 250);
    });
  }

  for (const form of document.querySelectorAll("form.drop")) {
    const input = form.querySelector("input[type=file]");
    const words = form.querySelector(".sending");
    const bar = form.querySelector("progress");
    const worded = (text, name) => text.replace("{name}", () => name);
    // Sends one form; gives the address of the page that follows. Throws the reason in words where it is refused.
    const post = (data, name) =>
      new Promise((done, refuse) => {
        const request = new XMLHttpRequest();
        request.open("POST", form.action);
        request.upload.addEventListener("progress", (event) => {
          if (!event.lengthComputable) return;
          const percent = Math.floor((event.loaded / event.total) * 100);
          bar.value = percent;
          words.textContent = worded(form.dataset.sending.replace("{percent}", percent), name);
        });
        request.addEventListener("load", () => {
          if (request.status < 400) {
            done(request.responseURL);
            return;
          }
          const page = new DOMParser().parseFromString(request.responseText, "text/html");
          const fault = page.querySelector("[role=alert]");
          refuse(fault ? `${name}: ${fault.textContent}` : worded(form.dataset.failed, name));
        });
        request.addEventListener("error", () => refuse(worded(form.dataset.failed, name)));
        request.send(data);
      });
    const send = async () => {
      const files = [...input.files];
      if (!files.length) return;
      const large = files.find((file) => file.size > Number(form.dataset.most));
      if (large) {
        words.textContent = worded(form.dataset.large, large.name);
        return;
      }
      // Each file is sent in its own form: a proxy's limit is meant for one file.
      const groups = input.multiple ? files.map((file) => [file]) : [files];
      form.classList.add("busy");
      bar.hidden = false;
      try {
        let following = "";
        for (const [place, group] of groups.entries()) {
          const data = new FormData();
          for (const field of form.querySelectorAll("input[type=hidden]")) data.append(field.name, field.value);
          if (place < groups.length - 1) data.append("more", "1");
          for (const file of group) data.append("file", file);
          following = await post(data, group[0].name);
        }
        location.assign(following);
      } catch (reason) {
        form.classList.remove("busy");
        bar.hidden = true;
        words.textContent = String(reason);
      }
    };
    input.addEventListener("change", send);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    for (const name of ["dragenter", "dragover"]) {
      form.addEventListener(name, (event) => {
        event.preventDefault();
        form.classList.add("over");
      });
    }
    for (const name of ["dragleave", "drop"]) form.addEventListener(name, () => form.classList.remove("over"));
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length) {
        input.files = event.dataTransfer.files;
        send();
      }
    });
  }
})();
