// What the pages do: remember the language for the root page, keep the place within the page, close menus, let keys
// reach what scrolls.
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
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll(".tool-menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
});
