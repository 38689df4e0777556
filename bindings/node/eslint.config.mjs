import js from "@eslint/js";

// What every runtime has that the package runs in.
const globals = Object.fromEntries(
    [
        "AbortController AbortSignal Buffer SharedArrayBuffer URL console performance process queueMicrotask",
        "setImmediate setTimeout clearTimeout setInterval clearInterval structuredClone DOMException gc Bun Deno",
    ]
        .join(" ")
        .split(" ")
        .map((name) => [name, "readonly"]),
);
// `for await (const _ of items)` takes items and does nothing with them.
const unused = ["error", { varsIgnorePattern: "^_$" }];
const rules = { eqeqeq: "error", "prefer-const": "error", "no-var": "error", "no-unused-vars": unused };

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
