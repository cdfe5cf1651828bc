// Remembers the language that a reader switches to, for the root page, and keeps the place within the page.
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
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll(".tool-menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
});
