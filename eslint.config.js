// Typed lint. What a type, the formatter or dependency-cruiser already proves is not said again here.
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const ENV = 'settings are read in one place: take them from the parsed configuration (services/platform/config)';
const STDOUT = 'only the log and the command line write to the standard streams';
const SHELL = 'programs get an argument vector, never a shell line';

/** Selectors that hold everywhere. A later block that sets the rule again must spread these. */
const everywhere = [
  {
    selector: "MemberExpression[object.name='AbortSignal'][property.name='any']",
    message: 'AbortSignal.any keeps its parents listening for ever: use follow() or follow with a deadline',
  },
  { selector: "Property[key.name='shell'][value.value!=false]", message: SHELL },
  { selector: 'ExportAllDeclaration', message: 'name what is exported' },
];

const env = { object: 'process', property: 'env', message: ENV };
const streams = ['stdout', 'stderr'].map((property) => ({ object: 'process', property, message: STDOUT }));

const SHELL_IMPORTS = { name: 'node:child_process', importNames: ['exec', 'execSync'], message: SHELL };
const ENV_IMPORTS = { name: 'node:process', importNames: ['env'], message: ENV };
const STREAM_IMPORTS = { name: 'node:process', importNames: ['stdout', 'stderr'], message: STDOUT };
const imports = (...paths) => ({
  paths,
  patterns: [{ group: ['#proto/*.js', './*.js', '../*.js'], message: 'relative imports end in .ts' }],
});

export default defineConfig(
  globalIgnores(['proto/gen/', 'node_modules/', 'coverage/', '.weft/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'no-console': 'error',
      eqeqeq: 'error',
      'no-implicit-coercion': 'error',
      'no-restricted-syntax': ['error', ...everywhere],
      'no-restricted-properties': ['error', env, ...streams],
      'no-restricted-imports': ['error', imports(SHELL_IMPORTS, ENV_IMPORTS, STREAM_IMPORTS)],
      'max-lines': ['error', { max: 450 }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { ignoreUsingDeclarations: true, ignoreRestSiblings: true }],
      '@typescript-eslint/prefer-readonly': 'error',
      // `return fail()` ends a function that returns nothing either way.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreVoidReturningFunctions: true }],
      // Code points are what the tree means when it spreads a string.
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      // `signal.aborted` may change over any await, which the compiler's narrowing does not know.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // It takes `Promise.withResolvers<void>()` for a mistake.
      '@typescript-eslint/no-invalid-void-type': 'off',
      // The tree has no enum of its own, and those of libraries are met as the numbers of a wire format.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
      // Numbers print in one way only; anything else must say how.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // A new kind must break the build wherever kinds are told apart; a default would hide it.
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { requireDefaultForNonUnion: true, considerDefaultExhaustiveForUnions: false },
      ],
    },
  },
  // Reads the environment, and answers --help before there is a log.
  {
    files: ['services/platform/config/**', 'cli/config/**', 'cli/config.ts'],
    rules: {
      'no-restricted-properties': 'off',
      'no-restricted-imports': ['error', imports(SHELL_IMPORTS)],
    },
  },
  {
    files: [
      'services/platform/log/**',
      'services/platform/process/**',
      'cli/output/**',
      'cli/output.ts',
      'cli/weft.ts',
      'infra/*.ts',
    ],
    rules: {
      'no-console': 'off',
      'no-restricted-properties': ['error', env],
      'no-restricted-imports': ['error', imports(SHELL_IMPORTS, ENV_IMPORTS)],
    },
  },
  {
    files: ['test/**', '**/*.test.ts', '**/*.fixture.ts', '**/testing/**'],
    rules: {
      // `expect(object.method)` and methods handed to a fake are looked at, not called.
      '@typescript-eslint/unbound-method': 'off',
      // Hostile and arbitrary input is made kind by kind, and the rest by default.
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // A test hands its own environment to the processes that it starts.
      'no-restricted-properties': ['error', ...streams],
      'no-restricted-imports': ['error', imports(SHELL_IMPORTS, STREAM_IMPORTS)],
      'max-lines': ['error', { max: 600 }],
    },
  },
  {
    files: ['test/bench/**', 'test/demo/**', 'test/guides/main.ts'],
    rules: {
      'no-console': 'off',
      'no-restricted-properties': 'off',
      'no-restricted-imports': ['error', imports(SHELL_IMPORTS)],
    },
  },
);
