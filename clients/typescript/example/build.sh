#!/usr/bin/env bash
# Compiles the example as another team would: against the packed client, in an empty folder outside the sources. Writes
# the program, build/example/first_charge.js, together with its dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

npm pack --silent --pack-destination "$folder" > "$folder/packed"
cp example/first_charge.ts example/tsconfig.json "$folder"
echo '{"private": true, "type": "module"}' > "$folder/package.json"
install=(npm install --prefix "$folder" --prefer-offline --no-audit --no-fund --silent)
"${install[@]}" "$folder/$(tail -n 1 "$folder/packed")"
"${install[@]}" --save-dev "typescript@$(node --print "require('./package.json').devDependencies.typescript")"
"$folder/node_modules/.bin/tsc" --project "$folder"
npm prune --prefix "$folder" --omit=dev --no-audit --no-fund --silent

rm -rf build/example
mkdir -p build/example
cp -R "$folder"/{package.json,first_charge.js,node_modules} build/example
