// A pasted image goes to the uploader, and a point of a map shows its image while the pointer is on it.
const STATE = "__backbench";

export default function ({ data }) {
  const first = !window[STATE];
  const state = (window[STATE] ??= { wired: new WeakSet() });
  state.runs = data.runs;
  if (!first) return;
  document.addEventListener("paste", paste);
  state.card = card();
  setInterval(() => wire(state), 400);
}

function paste(event) {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  const input = document.querySelector('[data-testid="stFileUploader"] input[type="file"]');
  if (!files.length || !input) return;
  const carried = new DataTransfer();
  files.forEach((file) => carried.items.add(file));
  input.files = carried.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  event.preventDefault();
}

function card() {
  const box = document.createElement("div");
  box.id = "backbench-hover";
  box.hidden = true;
  Object.assign(box.style, {
    position: "fixed", zIndex: 999999, pointerEvents: "none", maxWidth: "14rem", padding: "0.4rem",
    borderRadius: "0.5rem", background: "#14171f", color: "#f5f6f8", font: "0.78rem/1.3 sans-serif",
    overflowWrap: "anywhere", boxShadow: "0 2px 12px #0006",
  });
  const image = document.createElement("img");
  Object.assign(image.style, { display: "block", maxWidth: "100%", maxHeight: "9rem", margin: "0 auto 0.3rem" });
  const name = document.createElement("div");
  const line = document.createElement("div");
  line.style.opacity = 0.8;
  box.append(image, name, line);
  document.body.append(box);
  return { box, image, name, line };
}

function wire(state) {
  for (const plot of document.querySelectorAll(".js-plotly-plot")) {
    if (state.wired.has(plot) || !plot.on) continue;
    state.wired.add(plot);
    plot.on("plotly_hover", (event) => hover(state, plot, event));
    plot.on("plotly_unhover", () => { state.row = null; state.card.box.hidden = true; });
  }
  if (state.over && !state.over.isConnected) state.card.box.hidden = true;
}

async function hover(state, plot, event) {
  const holder = plot.closest("[class*='st-key-map_']");
  const key = holder && [...holder.classList].find((name) => name.startsWith("st-key-map_"))?.slice(7);
  const value = event.points[0]?.customdata;
  const row = Array.isArray(value) ? value[0] : value;
  const run = state.runs[key];
  if (run === undefined || row === undefined) return;
  const { box, image, name, line } = state.card;
  state.row = `${run}/${row}`;
  state.over = plot;
  image.hidden = true;
  image.onload = () => { image.hidden = false; };
  image.src = `/backbench/thumbnail/${run}/${row}`;
  name.textContent = line.textContent = "";
  place(box, event.event);
  const asked = state.row;
  const answer = await fetch(`/backbench/about/${run}/${row}`).then((reply) => reply.json(), () => ({}));
  if (state.row !== asked) return;
  name.textContent = answer.name ?? "";
  line.textContent = answer.line ?? "";
  place(box, event.event);
}

function place(box, event) {
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const left = event.clientX + 16 + width > window.innerWidth ? event.clientX - 16 - width : event.clientX + 16;
  box.style.left = `${Math.max(4, left)}px`;
  box.style.top = `${Math.max(4, Math.min(event.clientY - height / 2, window.innerHeight - height - 4))}px`;
}
