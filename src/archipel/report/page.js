// Values beside the pointer. The page is complete without it.
(() => {
  const tip = document.getElementById("tip");
  const write = (name, value) => { const e = document.createElement(name); if (value !== undefined) e.textContent = value; return e; };
  for (const svg of document.querySelectorAll("svg[data-told]")) {
    const told = JSON.parse(svg.dataset.told), [left, right, top, bottom] = svg.dataset.frame.split(" ").map(Number);
    const steps = told[0].v.length, start = Date.parse(svg.dataset.start), minutes = +svg.dataset.minutes;
    const cross = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cross.setAttribute("class", "axis"); cross.setAttribute("y1", top); cross.setAttribute("y2", bottom);
    cross.style.display = "none"; svg.append(cross);
    svg.addEventListener("pointermove", event => {
      const box = svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      const k = Math.floor((x - left) / (right - left) * steps);
      if (k < 0 || k >= steps) { tip.style.display = cross.style.display = "none"; return; }
      const at = left + (k + .5) / steps * (right - left);
      cross.setAttribute("x1", at); cross.setAttribute("x2", at); cross.style.display = "";
      const table = write("table");
      for (const { n, c, v } of told) {
        if (v[k] === null) continue;
        const row = write("tr"), name = write("td"), dot = write("i");
        dot.style.setProperty("--c", `var(--${c})`); name.append(dot, n);
        row.append(name, write("td", v[k] + " " + svg.dataset.unit)); table.append(row);
      }
      const time = new Date(start + k * minutes * 6e4).toISOString().slice(0, 16).replace("T", " ");
      tip.replaceChildren(write("b", time + " UTC"), table); tip.style.display = "block";
      const over = event.pageX + tip.offsetWidth + 30 > document.documentElement.scrollWidth;
      tip.style.left = (over ? event.pageX - tip.offsetWidth - 16 : event.pageX + 16) + "px"; tip.style.top = event.pageY + 14 + "px";
    });
    svg.addEventListener("pointerleave", () => { tip.style.display = cross.style.display = "none"; });
  }
})();
