/// <reference types="vitest/config" />
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../src/moat/console/built",
    emptyOutDir: true,
    // Small files as data: URLs would need a wider content policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 500,
    // A browser asks a server for six files at a time, and each takes its turn: a page begins with two scripts and a
    // stylesheet, and needs one to four more.
    cssCodeSplit: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "libraries", tags: ["$initial"], test: /node_modules/, priority: 3 },
            { name: "frame", tags: ["$initial"], priority: 2 },
            { name: "charts", test: /[\\/](uplot|parts[\\/]Chart)/, priority: 1 },
            { name: "tables", test: /[\\/](@tanstack[\\/](react-)?(table|virtual)|parts[\\/]Table)/, priority: 1 },
            { name: "shared", minShareCount: 2 },
          ],
        },
      },
    },
  },
  // A server of one's own answers the API while pages are written: `moat serve`, then `npm run dev`.
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
  // A file that needs a page says so itself (`@vitest-environment jsdom`): one costs more than most tests. A slow
  // machine fails no test: the bound is for what hangs.
  test: { include: ["src/**/*.test.{ts,tsx}"], testTimeout: 120_000, hookTimeout: 120_000 },
});
