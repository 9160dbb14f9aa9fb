// Does the work of ALTCHA's protocol (v1): finds the number whose hash with the salt is the challenge.
'use strict';
(async () => {
  const form = document.getElementById('work');
  const { challenge, salt, signature, most } = form.dataset;
  const encoder = new TextEncoder();
  const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  for (let number = 0; number <= Number(most); number += 1) {
    const hash = await crypto.subtle.digest('SHA-256', encoder.encode(salt + number));
    if (hex(hash) === challenge) {
      form.elements.work.value = btoa(JSON.stringify({ algorithm: 'SHA-256', challenge, number, salt, signature }));
      form.elements.ticket?.remove();
      form.requestSubmit();
      return;
    }
  }
})();
