// Counts down to when another code can be asked for, then offers it. Without it, the page says how long.
'use strict';
const wait = document.getElementById('wait');
const ends = Date.now() + Number(wait.dataset.seconds) * 1000;
const count = () => {
  const left = Math.ceil((ends - Date.now()) / 1000);
  const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
  if (left > 0) { wait.textContent = wait.dataset.words.replace('#', clock); return; }
  clearInterval(timer);
  wait.replaceChildren();
  document.getElementById('again').append(document.getElementById('waited').content);
};
const timer = setInterval(count, 1000);
count();
