// Communication with the server: requests with retries, the queue of responses, clips loaded ahead.

export class Refused extends Error {
  constructor(status, content) {
    super(content.message || String(status));
    this.status = status;
    this.code = content.error || "failed";
    this.details = content;
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function showNetwork(lost) {
  document.getElementById("network").hidden = !lost;
}

// Retries until there is a reply: after a lost connection, with a server that is down or busy, and with a response that
// came too early. A refusal is thrown.
export async function request(method, path, body, read = (response) => response.json()) {
  for (let attempt = 0; ; attempt += 1) {
    // Randomised exponential backoff, so that not everyone returns at the same moment.
    let wait = Math.min(500 * 2 ** attempt, 8000) * (0.5 + Math.random());
    try {
      // A response depends on when it is sent, so the body can be a function.
      const content = typeof body === "function" ? body() : body;
      const response = await fetch(path, {
        method,
        cache: "no-store",
        headers: content === undefined ? {} : { "content-type": "application/json" },
        body: content === undefined ? undefined : JSON.stringify(content),
      });
      if (response.ok) {
        const result = await read(response);
        showNetwork(false);
        return result;
      }
      const refusal = new Refused(response.status, await response.json().catch(() => ({})));
      if (![425, 429].includes(response.status) && response.status < 500) throw refusal;
      if (refusal.details.wait_ms) wait = refusal.details.wait_ms + 50;
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (attempt > 0) showNetwork(true);
    }
    const online = new Promise((resolve) => window.addEventListener("online", resolve, { once: true }));
    await Promise.race([pause(wait), online]);
  }
}

// Responses that the server has not confirmed and the showing on the screen, stored across reloads. Every page has its
// own, so that two tabs do not mix; a page that resumes a step takes over those of earlier pages.
export class ResponseQueue {
  constructor(participant, page, onRefused) {
    this.participant = participant;
    this.page = page;
    this.onRefused = onRefused;
    this.onStored = () => {};
    this.sending = Promise.resolve();
  }

  get waiting() {
    return JSON.parse(localStorage.getItem(`responses ${this.participant} ${this.page}`) || "[]");
  }

  set waiting(responses) {
    const name = `responses ${this.participant} ${this.page}`;
    if (responses.length) localStorage.setItem(name, JSON.stringify(responses));
    else localStorage.removeItem(name);
  }

  set showing(showing) {
    const name = `showing ${this.participant} ${this.page}`;
    if (showing) localStorage.setItem(name, JSON.stringify(showing));
    else localStorage.removeItem(name);
  }

  // The next showing of a step as far as this browser knows; 0 where the step was not played here.
  reached(step) {
    return Number(localStorage.getItem(`reached ${this.participant} ${step}`));
  }

  noteReached(step, next) {
    localStorage.setItem(`reached ${this.participant} ${step}`, String(next));
  }

  // Takes over the responses of earlier pages (of older versions too) and returns the showings they left unfinished.
  takeOver() {
    const take = (kind) => {
      const names = Object.keys(localStorage).filter((name) => name.startsWith(`${kind} ${this.participant} `));
      const contents = names.map((name) => JSON.parse(localStorage.getItem(name)));
      names.forEach((name) => localStorage.removeItem(name));
      return contents.flat();
    };
    this.waiting = [...take("answers"), ...take("responses")].sort((one, other) => one.step - other.step || one.position - other.position);
    return take("showing");
  }

  add(response) {
    this.waiting = [...this.waiting, { ...response, ended: Date.now() }];
    this.sending = this.sending.then(() => this.send());
    return this.sending;
  }

  // Sends the waiting responses in order; resolves when none is left.
  async send() {
    while (this.waiting.length) {
      const { step, position, ended, ...response } = this.waiting[0];
      const body = () => ({ page: this.page, ...response, age_ms: Math.max(0, Date.now() - ended) });
      try {
        const { next } = await request("PUT", `/api/steps/${step}/showings/${position}`, body);
        this.noteReached(step, next);
        this.onStored(next);
      } catch (error) {
        this.waiting = [];
        this.onRefused(error);
        return;
      }
      this.waiting = this.waiting.slice(1);
    }
  }
}

// Forgets all responses of a participant in this browser.
export function forget(participant) {
  const names = Object.keys(localStorage).filter((name) => name.split(" ")[1] === participant);
  names.forEach((name) => localStorage.removeItem(name));
}

// The clips of the next showings, keyed by position: the URLs do not reveal which clip it is. Each comes with a proof that it
// was loaded, which its response gives back.
export class Clips {
  constructor(step, last) {
    this.step = step;
    this.last = last;
    this.loads = new Map();
  }

  load(position) {
    if (!this.loads.has(position)) {
      const read = async (response) => ({
        url: URL.createObjectURL(await response.blob()),
        proof: response.headers.get("x-clip-proof"),
        role: response.headers.get("x-preview"),
      });
      const loaded = request("GET", `/api/steps/${this.step}/clips/${position}`, undefined, read);
      loaded.catch(() => this.loads.delete(position));
      this.loads.set(position, loaded);
    }
    return this.loads.get(position);
  }

  ahead(next, count) {
    for (let position = next; position <= Math.min(next + count, this.last); position += 1)
      this.load(position).catch(() => {});
  }

  async drop(position) {
    const { url } = await this.loads.get(position);
    this.loads.delete(position);
    URL.revokeObjectURL(url);
  }
}
