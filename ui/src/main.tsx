import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import { App, isPage } from "./app";
import { catchLinks } from "./router";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/pages.css";
import { applyTheme } from "./theme";

applyTheme();
catchLinks(isPage);
const place = document.getElementById("app");
if (place) {
  place.replaceChildren();
  render(<App />, place);
}
