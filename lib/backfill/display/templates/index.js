(function () {
  var form = document.getElementById("filter"), rows = document.querySelectorAll("tbody tr");
  var said = document.getElementById("shown");
  function show() {
    var text = form.text.value.toLowerCase(), count = 0;
    rows.forEach(function (row) {
      row.hidden = !!(form.job.value && row.dataset.job !== form.job.value ||
        form.status.value && row.dataset.status !== form.status.value ||
        text && row.textContent.toLowerCase().indexOf(text) < 0);
      count += row.hidden ? 0 : 1;
    });
    said.textContent = count + " of " + rows.length + " runs are shown.";
  }
  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  show();
})();
