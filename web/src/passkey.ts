// Passkeys: a form marked data-passkey is answered by the browser's
// authenticator. It asks the server for options, lets the authenticator answer,
// and sends the answer as a plain form, so that the page goes on as after any
// other form. Without scripts, or where the browser cannot, the form stays hidden.

function bytes(text: string): ArrayBuffer {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  const out = new Uint8Array(new ArrayBuffer(plain.length));
  for (let i = 0; i < plain.length; i++) out[i] = plain.charCodeAt(i);
  return out.buffer;
}

function text(buffer: ArrayBuffer | null | undefined): string | undefined {
  if (!buffer) return undefined;
  let plain = "";
  for (const b of new Uint8Array(buffer)) plain += String.fromCharCode(b);
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

interface Descriptor {
  id: string;
  type: PublicKeyCredentialType;
  transports?: AuthenticatorTransport[];
}

// What the server writes: the options of the browser's interface with base64url
// in place of bytes.
interface Options {
  publicKey: {
    challenge: string;
    timeout?: number;
    user?: { id: string; name: string; displayName: string };
    excludeCredentials?: Descriptor[];
    allowCredentials?: Descriptor[];
    [key: string]: unknown;
  };
}

function descriptors(list: Descriptor[] | undefined): PublicKeyCredentialDescriptor[] | undefined {
  return list?.map((d) => ({ ...d, id: bytes(d.id) }));
}

async function answer(kind: string, options: Options): Promise<unknown> {
  const key = options.publicKey;
  if (kind === "create") {
    const made = (await navigator.credentials.create({
      publicKey: {
        ...key,
        challenge: bytes(key.challenge),
        user: { ...key.user!, id: bytes(key.user!.id) },
        excludeCredentials: descriptors(key.excludeCredentials),
      } as unknown as PublicKeyCredentialCreationOptions,
    })) as PublicKeyCredential;
    const response = made.response as AuthenticatorAttestationResponse;
    return {
      id: made.id,
      rawId: text(made.rawId),
      type: made.type,
      authenticatorAttachment: made.authenticatorAttachment ?? undefined,
      clientExtensionResults: {},
      response: {
        attestationObject: text(response.attestationObject),
        clientDataJSON: text(response.clientDataJSON),
        transports: response.getTransports?.() ?? [],
      },
    };
  }
  const got = (await navigator.credentials.get({
    publicKey: {
      ...key,
      challenge: bytes(key.challenge),
      allowCredentials: descriptors(key.allowCredentials),
    } as unknown as PublicKeyCredentialRequestOptions,
  })) as PublicKeyCredential;
  const response = got.response as AuthenticatorAssertionResponse;
  return {
    id: got.id,
    rawId: text(got.rawId),
    type: got.type,
    authenticatorAttachment: got.authenticatorAttachment ?? undefined,
    clientExtensionResults: {},
    response: {
      authenticatorData: text(response.authenticatorData),
      clientDataJSON: text(response.clientDataJSON),
      signature: text(response.signature),
      userHandle: text(response.userHandle),
    },
  };
}

function reason(error: unknown): string {
  if (error instanceof DOMException) {
    if (error.name === "InvalidStateError") return "This passkey is in your list already.";
    if (error.name === "NotAllowedError") return "That was cancelled, or it took too long. Try again.";
    if (error.name === "SecurityError") return "The browser allows no passkeys under this address.";
  }
  return error instanceof Error ? error.message : "The passkey did not work.";
}

async function send(form: HTMLFormElement): Promise<void> {
  const field = form.querySelector<HTMLInputElement>("input[name=credential]");
  const problem = form.querySelector<HTMLElement>("[data-passkey-error]");
  const button = form.querySelector<HTMLButtonElement>("button[type=submit]");
  if (!field || !button) return;
  if (problem) problem.hidden = true;
  button.disabled = true;
  try {
    const reply = await fetch(form.dataset.begin!, { method: "POST", credentials: "same-origin", headers: { Accept: "application/json" } });
    if (!reply.headers.get("Content-Type")?.startsWith("application/json")) {
      if (reply.redirected) {
        location.assign(reply.url); // the login ran out, or a proof is asked for first
        return;
      }
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      throw new Error(page.querySelector("[data-testid=error] p")?.textContent?.trim() || `The server answered ${reply.status}.`);
    }
    field.value = JSON.stringify(await answer(form.dataset.passkey!, (await reply.json()) as Options));
    form.submit();
  } catch (error) {
    if (problem) {
      problem.textContent = reason(error);
      problem.hidden = false;
    }
  } finally {
    button.disabled = false;
  }
}

export function startPasskeys(): void {
  if (!("PublicKeyCredential" in window) || !navigator.credentials) return;
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void send(form);
    });
  }
  for (const note of document.querySelectorAll<HTMLElement>("[data-passkey-missing]")) note.hidden = true;
}
