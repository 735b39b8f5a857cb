// The page's types from the API's description: reads OpenAPI from standard input, writes TypeScript to standard output.
//   npm run types      writes src/api/types.ts (needs the Python package with its extra `web`)
import openapiTS, { astToString } from "openapi-typescript";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const description = JSON.parse(Buffer.concat(chunks).toString("utf8"));
const tree = await openapiTS(description, {
  rootTypes: true,
  rootTypesNoSchemaPrefix: true,
  rootTypesKeepCasing: true,
});
process.stdout.write("// Made by `npm run types` from the API's description; not to be changed by hand.\n\n" + astToString(tree));
