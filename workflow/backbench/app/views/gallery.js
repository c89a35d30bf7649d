// Images as a grid of buttons. What is written comes as text, never as markup; a click tells which image it was.
export default function ({ parentElement, data, setTriggerValue }) {
  const grid = parentElement.querySelector(".gallery");
  const shown = JSON.stringify(data);
  if (grid.dataset.shown === shown) return;
  grid.dataset.shown = shown;
  grid.replaceChildren(...data.tiles.map((tile) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = tile.mark ? `tile ${tile.mark}` : "tile";
    button.title = tile.title;
    const frame = document.createElement("span");
    frame.className = "frame";
    if (tile.src) {
      const image = document.createElement("img");
      image.loading = "lazy";
      image.decoding = "async";
      image.alt = tile.title;
      image.src = tile.src;
      image.onerror = () => frame.replaceChildren("no picture");
      frame.append(image);
    } else {
      frame.append("no picture");
    }
    const head = document.createElement("span");
    head.className = "head";
    head.textContent = tile.head;
    const note = document.createElement("span");
    note.className = "note";
    note.textContent = tile.note;
    button.append(frame, head, note);
    button.onclick = () => setTriggerValue("picked", tile.row);
    return button;
  }));
}
