"use strict";
// The page's policy allows no inline scripts, so the start stands in a file of its own.
const page = document.getElementById("swagger-ui");
window.SwaggerUIBundle({
  url: page.dataset.schema,
  domNode: page,
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
