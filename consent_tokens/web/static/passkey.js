// Creates a passkey or signs with one, and submits the answer by a form. Without script there is the code.
'use strict';
const form = document.getElementById('passkey');
const options = JSON.parse(form.dataset.options);
const isNew = form.dataset.kind === 'create';
if (window.PublicKeyCredential && PublicKeyCredential.parseCreationOptionsFromJSON) form.hidden = false;
form.addEventListener('submit', async (event) => {
  const field = form.querySelector('[name=response], [data-response]');
  if (field.value) return;
  event.preventDefault();
  try {
    const credential = isNew
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    field.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (error) {
    form.querySelector('button').focus(); // the person cancelled, or the device has no passkey
  }
});
