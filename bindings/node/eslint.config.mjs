import js from "@eslint/js";

// What every runtime has that the package runs in.
const globals = Object.fromEntries(
    [
        "AbortController AbortSignal Buffer SharedArrayBuffer URL console performance process queueMicrotask",
        "setImmediate setTimeout clearTimeout structuredClone DOMException gc Bun Deno",
    ]
        .join(" ")
        .split(" ")
        .map((name) => [name, "readonly"]),
);
const rules = { eqeqeq: "error", "prefer-const": "error", "no-var": "error" };

export default [
    js.configs.recommended,
    { files: ["**/*.mjs"], languageOptions: { globals, sourceType: "module" }, rules },
    {
        files: ["**/*.cjs"],
        languageOptions: {
            globals: { ...globals, module: "writable", exports: "writable", require: "readonly" },
            sourceType: "commonjs",
        },
        rules,
    },
    { files: ["tests/runners/jest/*"], languageOptions: { globals: { test: "readonly" } } },
    { linterOptions: { reportUnusedDisableDirectives: "error" } },
];
