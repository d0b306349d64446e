// Passkeys (WebAuthn level 3): the only thing on these pages that needs a script. Each form that
// carries `data-passkey` holds the options that the platform made; what the authenticator answers
// goes into its field `credential`, and the form is sent like any other.

const supported = "PublicKeyCredential" in window && window.isSecureContext;
let conditional = null;

/** @param {string} text base64url @returns {ArrayBuffer} */
function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (one) => one.charCodeAt(0)).buffer;
}

/** @param {ArrayBuffer | null} buffer @returns {string | null} */
function text(buffer) {
  if (!buffer) return null;
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const descriptors = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

function creation(options) {
  return {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: descriptors(options.excludeCredentials),
  };
}

function request(options) {
  const allowed = descriptors(options.allowCredentials);
  return { ...options, challenge: bytes(options.challenge), allowCredentials: allowed };
}

function told(credential) {
  const { response } = credential;
  const parts = { clientDataJSON: text(response.clientDataJSON) };
  if ("attestationObject" in response) {
    parts.attestationObject = text(response.attestationObject);
    parts.transports = response.getTransports?.() ?? [];
  } else {
    parts.authenticatorData = text(response.authenticatorData);
    parts.signature = text(response.signature);
    parts.userHandle = text(response.userHandle);
  }
  return JSON.stringify({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: parts,
  });
}

function send(form, credential) {
  form.elements.credential.value = told(credential);
  form.submit();
}

const WORDS = {
  NotAllowedError: "That was canceled, or took too long. Try again.",
  InvalidStateError: "This device has a passkey for this account already.",
  SecurityError: "Passkeys do not work at this address.",
};

function say(form, error) {
  const place = form.querySelector("[data-said]");
  place.textContent = WORDS[error.name] ?? "The passkey could not be used. Try again.";
}

async function pressed(form, options) {
  conditional?.abort();
  form.querySelector("[data-said]").textContent = "";
  try {
    const credential = form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey: creation(options) })
      : await navigator.credentials.get({ publicKey: request(options) });
    send(form, credential);
  } catch (error) {
    say(form, error);
  }
}

/** Passkeys among the suggestions of the field for the address, where the browser has that. */
async function suggest(form, options) {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  conditional = new AbortController();
  try {
    const credential = await navigator.credentials.get({
      publicKey: request(options), mediation: "conditional", signal: conditional.signal,
    });
    send(form, credential);
  } catch {
    // Nobody has asked for anything yet: the fields and the button are still there.
  }
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const options = JSON.parse(form.dataset.options);
  if (supported) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      pressed(form, options);
    });
    if (form.dataset.passkey === "get" && "suggest" in form.dataset) suggest(form, options);
  }
}
for (const one of document.querySelectorAll("[data-with-passkeys]")) one.hidden = !supported;
for (const one of document.querySelectorAll("[data-without-passkeys]")) one.hidden = supported;
