import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

// The bundle is part of the Python package and is served from its root; names carry no hash, so that a rebuild from the
// same sources is the same tree, and the server answers with an ETag.
export default defineConfig({
  plugins: [preact()],
  base: "/",
  build: {
    outDir: "../src/archipel/web/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
    rollupOptions: {
      output: { entryFileNames: "page.js", assetFileNames: "[name][extname]", chunkFileNames: "[name].js" },
    },
  },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8765", ws: true } } },
});
