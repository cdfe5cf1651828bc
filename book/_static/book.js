// What the pages do: remember the language for the root page, keep the place within the page, close menus, let keys
// reach what scrolls, and play films again.
document.addEventListener("DOMContentLoaded", () => {
  for (const link of document.querySelectorAll("a[data-language]")) {
    link.addEventListener("click", () => {
      try { localStorage.setItem("book-language", link.dataset.language); } catch (error) { /* storage is switched off */ }
      link.hash = location.hash;
    });
  }
  // A menu closes when the reader turns to something else.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(".tool-menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  // What scrolls is reached by keyboard, also in a fold: the theme looks when a page loads, where the fold is closed.
  const reach = new ResizeObserver((boxes) => {
    for (const { target: box } of boxes) {
      if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
    }
  });
  for (const box of document.querySelectorAll("pre, .cell_output > .output, .pst-scrollable-table-container")) {
    reach.observe(box);
  }
  // A wide formula scrolls, too, once it has been set.
  window.MathJax?.startup?.promise?.then(() => {
    for (const box of document.querySelectorAll("mjx-container[display]")) reach.observe(box);
  });
  // A film, an animated picture, plays once: start it when the reader gets there, and again on request. Only a new
  // address makes browsers start anew.
  const play = (film) => {
    film.dataset.address ??= film.src;
    film.dataset.plays = Number(film.dataset.plays ?? 0) + 1;
    film.src = `${film.dataset.address}?${film.dataset.plays}`;
  };
  const arrival = new IntersectionObserver((places) => {
    for (const { target: film, isIntersecting } of places) {
      if (!isIntersecting) continue;
      arrival.unobserve(film);
      play(film);
    }
  }, { threshold: 0.8 });
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  for (const film of document.querySelectorAll("img.film")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "film-again";
    button.textContent = document.documentElement.lang.startsWith("zh") ? "▶ 再播放一遍" : "▶ Play again";
    button.addEventListener("click", () => play(film));
    film.after(button);
    if (!still) arrival.observe(film);
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll(".tool-menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
});
