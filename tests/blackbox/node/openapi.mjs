// Holds an OpenAPI document against OpenAPI's own schema: `node openapi.mjs FILE`, prints one JSON line.
import { readFile } from "node:fs/promises";
import { Validator } from "@seriousme/openapi-schema-validator";

const document = JSON.parse(await readFile(process.argv[2], "utf8"));
const validator = new Validator();
const { valid, errors } = await validator.validate(document);
console.log(JSON.stringify({ valid, errors: errors ?? [], version: validator.version }));
