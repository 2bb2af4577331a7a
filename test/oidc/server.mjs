// A real OpenID provider for tests: the certified oidc-provider package with
// made-up people and a login page without passwords. It says on standard output
// when it listens and ends with its standard input.
import http from "node:http";
import https from "node:https";
import Provider from "oidc-provider";

const options = JSON.parse(process.env.OIDC_TEST);
// people: { <subject>: { email, email_verified, name, groups } }
const people = options.people;

const provider = new Provider(options.issuer, {
  clients: [
    {
      client_id: options.client_id,
      client_secret: options.client_secret,
      redirect_uris: [options.redirect],
      post_logout_redirect_uris: options.post_logout ? [options.post_logout] : [],
      response_types: ["code"],
      grant_types: ["authorization_code"],
      token_endpoint_auth_method: options.auth_method ?? "client_secret_basic",
    },
  ],
  pkce: { required: () => true },
  scopes: ["openid", "email", "profile", "groups"],
  claims: { openid: ["sub", "amr", "acr", "auth_time"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
  cookies: { keys: ["test"] },
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true } },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  ttl: { AccessToken: 300, AuthorizationCode: 60, IdToken: 300, Interaction: 600, Session: 3600, Grant: 3600 },
  async findAccount(_ctx, subject) {
    const person = people[subject];
    if (!person) return undefined;
    return { accountId: subject, claims: async () => ({ sub: subject, ...person }) };
  },
  // Nobody is asked for consent.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid email profile groups");
    grant.addOIDCClaims(["email", "email_verified", "name", "groups", "amr", "acr", "auth_time"]);
    await grant.save();
    return grant;
  },
});
provider.on("server_error", (_ctx, err) => console.error(err));

const answer = provider.callback();

function escape(text) {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

async function body(req) {
  let text = "";
  for await (const chunk of req) text += chunk;
  return new URLSearchParams(text);
}

async function interaction(req, res) {
  const details = await provider.interactionDetails(req, res);
  if (req.method === "GET") {
    res.setHeader("Content-Type", "text/html; charset=utf-8");
    res.end(`<!DOCTYPE html><html lang="en"><title>Test provider</title><main><h1>Test provider</h1>
<form method="post" action="/interaction/${escape(details.uid)}">
<label>Person <input name="login" id="login" required></label>
<label><input type="checkbox" name="otp" id="otp" value="1"> with a second factor</label>
<button id="continue" name="do" value="login">Continue</button>
<button id="cancel" name="do" value="cancel" formnovalidate>Cancel</button></form></main></html>`);
    return;
  }
  const form = await body(req);
  if (form.get("do") === "cancel") {
    await provider.interactionFinished(req, res, { error: "access_denied", error_description: "<b>cancelled</b> by the person" });
    return;
  }
  const amr = form.get("otp") ? ["pwd", "otp", "mfa"] : ["pwd"];
  await provider.interactionFinished(req, res, { login: { accountId: form.get("login"), amr, acr: form.get("otp") ? "2" : "1" } });
}

function handle(req, res) {
  if (!req.url.startsWith("/interaction/")) return answer(req, res);
  return interaction(req, res).catch((err) => {
    console.error(err);
    res.statusCode = 500;
    res.end("interaction failed");
  });
}

const address = new URL(options.issuer);
const server = options.key ? https.createServer({ key: options.key, cert: options.cert, minVersion: "TLSv1.3" }, handle) : http.createServer(handle);
server.listen(Number(address.port), "127.0.0.1", () => console.log("listening"));
process.stdin.on("end", () => process.exit(0)).resume();
