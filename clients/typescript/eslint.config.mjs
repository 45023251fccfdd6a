import tseslint from "typescript-eslint";

const allowInTemplates = (kinds) => ({ "@typescript-eslint/restrict-template-expressions": ["error", kinds] });

export default tseslint.config(
  { ignores: ["build/", "dist/", "src/generated/"] },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: allowInTemplates({ allowNumber: true }),
  },
  { files: ["example/**"], rules: allowInTemplates({ allowNumber: true, allowNullish: true }) },
  // node:test awaits the promises that test() returns.
  { files: ["test/**"], rules: { "@typescript-eslint/no-floating-promises": "off" } },
  { files: ["**/*.mjs"], extends: [tseslint.configs.disableTypeChecked] },
);
