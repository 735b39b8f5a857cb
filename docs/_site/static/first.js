// Before anything is drawn: the reader's choice of light or dark, kept in the browser.
document.body.dataset.theme = (() => {
  try {
    return localStorage.getItem("theme") || "auto";
  } catch {
    return "auto"; // a browser that keeps nothing for pages from a folder
  }
})();
